"""Damages of data files, each loaded in a process of its own: `python tests/faults/data.py` prints what happens."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults.helpers import check
from faults.table import main

from bnkeras.datasets import bng_glass

CHILD = """
import resource, sys, warnings
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
from bnkeras.datasets import DataError, load
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        data = load(sys.argv[1])
    except DataError as error:
        print(f"DataError: {error}")
    else:
        print(f"skipped: {caught[0].message}" if caught else f"loaded without a word: {data.source}")
"""


def images(**changes):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (6, 64, 64, 3), dtype="uint8"), np.arange(6) % 3
    arrays = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, **changes}
    return {key: array for key, array in arrays.items() if array is not None}


def glass(**changes):
    names = {"feature_names": np.array(bng_glass.FEATURE_NAMES), "class_names": np.array(bng_glass.CLASS_NAMES)}
    return {"x": np.random.default_rng(0).normal(size=(14, 9)), "y": np.arange(14) % 7, **names, **changes}


def changed(array, place, value):
    array = array.astype(np.asarray(value).dtype)
    array[place] = value
    return array


def saved(arrays, name="faces"):
    return lambda folder: np.savez(folder / f"{name}.npz", **arrays)


def raw(change):
    """The set whose file has its bytes changed, and the function of a folder that does so."""

    def damage(folder):
        np.savez_compressed(folder / "faces.npz", **images())
        content = bytearray((folder / "faces.npz").read_bytes())
        (folder / "faces.npz").write_bytes(change(content))

    return "faces", damage


def archive(shape, claimed=0, flags=0, kind="|u1"):
    """Members whose headers say `shape`, which hold 100 bytes, and `claimed` of which the archive claims."""

    def damage(folder):
        with zipfile.ZipFile(folder / "faces.npz", "w", zipfile.ZIP_DEFLATED) as file:
            for key in images():
                member = io.BytesIO()
                header = {"descr": kind, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                start = member.tell()
                member.write(bytes(100))
                file.writestr(f"{key}.npy", member.getvalue())
                file.filelist[-1].file_size = start + (claimed or 100)
                file.filelist[-1].flag_bits |= flags

    return "faces", damage


def flipped(content):
    content[len(content) // 2] ^= 255
    return content


def photo(name, make):
    """Two people's photos, and `make`'s damage in one file more."""

    def damage(folder):
        for person in ("Ann", "Ben"):
            (folder / "faces" / person).mkdir(parents=True)
            for number in range(2):
                Image.effect_noise((80, 80), 50).save(folder / "faces" / person / f"{number}.png")
        make(folder / "faces" / "Ann" / name)

    return "faces", damage


def png(width, height):
    """A small PNG that claims a size."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "png")
    content = bytearray(buffer.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zipfile.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def cut_jpeg(path):
    Image.effect_noise((80, 80), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])


X, Y, ROWS = images()["x_train"], images()["y_train"], glass()["x"]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 80 80\n%%EndComments\nshowpage\n"


def faces(**changes):
    return "faces", saved(images(**changes))


def table(**changes):
    return "bng_glass", saved(glass(**changes), "bng_glass")


def file(make):
    return "faces", lambda folder: make(folder / "faces.npz")


ELEVEN = images(x_train=X[:, ::2, ::2], x_test=X[:, ::2, ::2], y_test=Y * 5)
BAD_TYPE, BAD_RANGE = "must be one row of integers. Received: ", "must lie in 0 to 2. Received: "
# Name: set to load, what makes the damage in an empty data folder, and a part of what must be said of it.
DAMAGES = {
    "empty file": (*raw(lambda content: b""), "can't be read"),
    "cut off": (*raw(lambda content: content[:5000]), "can't be read"),
    "a bit flipped": (*raw(flipped), "can't be read"),
    "text": (*raw(lambda content: b"<html>Not found</html>"), "can't be read"),
    "no archive but one array": (*raw(lambda content: b"\x93NUMPY\x01\x00v\x00"), "can't be read"),
    "folder": (*file(Path.mkdir), "no regular file"),
    "FIFO": (*file(os.mkfifo), "no regular file"),
    "link to nothing": (*file(lambda path: path.symlink_to("nothing")), "no regular file"),
    "link to a device": (*file(lambda path: path.symlink_to("/dev/zero")), "no regular file"),
    "encrypted": (*archive((100,), flags=1), "encrypted"),
    "header claims a terabyte": (*archive((10**12,)), "1,000,000,000,000 bytes"),
    "archive claims more than it holds": (*archive((2**30,), claimed=2**30), "can't be read"),
    "archive claims more than fits": (*archive((3 * 2**30,), claimed=3 * 2**30), "12,884,901,888 bytes"),
    "negative shape": (*archive((-100,)), "(-100,)"),
    "times": (*archive((50,), kind="<M8[s]"), "datetime64"),
    "array missing": (*faces(y_test=None), "y_test"),
    "pickled labels": (*faces(y_train=np.array([{}] * 6, object)), "y_train is of dtype object"),
    "pickled names": (*faces(class_names=np.array(["Ann", 2], object)), "class_names is of dtype object"),
    "label of 10^12": (*faces(y_train=changed(Y, 2, 10**12)), "Received: 1000000000000 in row 2"),
    "negative label": (*faces(y_test=changed(Y, 2, -1)), f"`y_test` {BAD_RANGE}-1 in row 2, the first of 1"),
    "text labels": (*faces(y_train=np.array(list("abcabc"))), f"`y_train` {BAD_TYPE}shape (6,), dtype <U1"),
    "labels with NaN": (*faces(y_train=changed(Y, 2, np.nan)), f"`y_train` {BAD_TYPE}shape (6,), dtype float64"),
    "labels in a column": (*faces(y_train=Y[:, None]), f"`y_train` {BAD_TYPE}shape (6, 1)"),
    "label for all": (*faces(y_train=np.array(1)), f"`y_train` {BAD_TYPE}shape ()"),
    "label missing": (*faces(y_test=Y[:5]), "a label for each of 6 examples. Received: 5"),
    "label without training": (*faces(y_test=changed(Y, 0, 3)), f"{BAD_RANGE}3 in row 0"),
    "no images": (*faces(x_train=X[:0], y_train=Y[:0]), "`x_train` must be numbers (n > 0, 64, 64, 3)"),
    "images of floats": (*faces(x_train=X / 255), "`x_train` must be uint8 (n, 64, 64, 3). Received: float64"),
    "images of another size": (*faces(x_test=X[:, :32]), "Received: uint8 (6, 32, 64, 3)"),
    "one name": (*faces(class_names=np.array("Ann")), "`class_names` must be one row of text"),
    "too few names": (*faces(class_names=np.array(["Ann", "Ben"])), "must lie in 0 to 1. Received: 2"),
    "another set": ("cifar10", saved(images(), "cifar10"), "`x_train` must be uint8 (n, 32, 32, 3)"),
    "eleven digits": ("svhn", saved(ELEVEN, "svhn"), "must lie in 0 to 9. Received: 10"),
    "a download changed": (*faces(source=np.array("whole"), sha256=np.array("00")), "expected SHA-256 00, found"),
    "half a stamp": (*faces(source=np.array("whole")), "`source` and `sha256` must be two texts"),
    "row of stamps": (*faces(source=Y, sha256=Y), "`source` and `sha256` must be two texts"),
    "MNIST changed": ("mnist", saved(images(), "mnist"), "expected SHA-256 "),
    "missing value": (*table(x=changed(ROWS, (5, 1), np.nan)), "nan in row 5, feature 'Na', the first of 1"),
    "infinite value": (*table(x=changed(ROWS, (2, 8), np.inf)), "inf in row 2, feature 'Fe'"),
    "constant feature": (*table(x=changed(ROWS, (slice(None), 7), 0.25)), "0.25 in all rows of feature 'Ba'"),
    "features as text": (*table(x=ROWS.astype("U8")), "must be floats"),
    "too few features": (*table(x=ROWS[:, :8]), "(14, 8)"),
    "unknown class": (*table(y=np.arange(14)), "must lie in 0 to 6. Received: 7 in row 7"),
    "other classes": (*table(class_names=np.array(["porcelain"])), "Received: porcelain"),
    "other features": (*table(feature_names=glass()["feature_names"][::-1]), "must be RI, Na, "),
    "photo that is a FIFO": (*photo("a.jpg", os.mkfifo), "Ann/a.jpg"),
    "photo that is a device": (*photo("a.jpg", lambda path: path.symlink_to("/dev/zero")), "Ann/a.jpg"),
    "photo cut off": (*photo("a.jpg", cut_jpeg), "Ann/a.jpg"),
    "photo that runs a program": (*photo("a.jpg", lambda path: path.write_bytes(EPS)), "Ann/a.jpg"),
    "photo of another format": (*photo("a.jpg", lambda path: path.write_bytes(b"P5 2 2 255 abcd")), "Ann/a.jpg"),
    "photo of 10^10 pixels": (*photo("a.png", lambda path: path.write_bytes(png(10**5, 10**5))), "Ann/a.png"),
    "photo of 36 million pixels": (*photo("a.png", lambda path: Image.new("1", (6000, 6000)).save(path)), "Ann/a.png"),
}


def outcome(name, folder):
    """What loading does with a damage, made in the new `folder`, in one line."""
    data_set, damage, _ = DAMAGES[name]
    folder.mkdir()
    damage(folder)
    command, environment = [sys.executable, "-c", CHILD, data_set], {**os.environ, "BNKERAS_DATA": str(folder)}
    try:
        child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "hangs"
    lines = (child.stdout if child.returncode == 0 else child.stderr).splitlines()
    return lines[0] if child.returncode == 0 and len(lines) == 1 else f"traceback: {lines[-1:]}"


def fault(name):
    def tried(folder):
        words = outcome(name, folder / "data")
        expected = "skipped: " if name.startswith("photo") else "DataError: "
        check(words.startswith(expected) and DAMAGES[name][2] in words, words)
        return words

    return tried


FAULTS = {f"data: {name}": ("one line that names it", fault(name)) for name in DAMAGES}

if __name__ == "__main__":
    main(FAULTS)

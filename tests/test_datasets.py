import os
import re
import signal
import socket
import subprocess
import sys
import threading

import filelock
import numpy as np
import pytest
from faults import data as faults

from bnkeras import datasets
from bnkeras.datasets import DataError, cache, common, loading, mnist, npz, sampled


def image_arrays(n=6):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, n, 28, 28), dtype="uint8")
    labels = np.arange(2 * n, dtype="uint8").reshape(2, n) % 10
    return {"x_train": images[0], "y_train": labels[0], "x_test": images[1], "y_test": labels[1]}


@pytest.fixture
def folder(folder, monkeypatch):
    """An empty data folder in force, small arrays taking the place of MNIST's checksum."""
    monkeypatch.setattr(mnist, "SHA256", npz.sha256(image_arrays()))
    return folder


@pytest.fixture
def server(file_server, monkeypatch):
    """A server on loopback in place of MNIST's host; a test puts files into the folder it yields."""
    served, url = file_server
    np.savez(served / "mnist.npz", **image_arrays())
    monkeypatch.setattr(mnist, "URL", f"{url}/mnist.npz")
    monkeypatch.setattr(mnist, "FILE_SHA256", npz.file_sha256(served / "mnist.npz"))
    return served


@pytest.fixture
def stalling_url():
    """URL at which connections are taken and nothing is ever sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mnist.npz"


def test_samples_are_real_and_ship_whatever_the_data_folder(monkeypatch):
    monkeypatch.setenv("BNKERAS_DATA", "/nowhere")
    digits, glass = datasets.load("mnist_sample"), datasets.load("bng_glass_sample")
    assert digits.source == "MNIST, sample of 6,000 + 1,000 images"
    assert np.bincount(digits.y_train).tolist() == [600] * 10
    assert np.bincount(digits.y_test).tolist() == [100] * 10
    assert len(set(digits.y_train[:20])) > 5
    assert glass.source == "BNG(glass), regenerated, sample of 10,000 rows"
    assert np.bincount(glass.y).tolist() == [3242, 3540, 807, 23, 612, 438, 1338]
    for data in (digits, glass):
        assert data.sha256 == sampled.SHA256[data.name]


@pytest.mark.real_data("mnist")
def test_the_sample_of_mnist_can_be_drawn_anew():
    assert npz.sha256(sampled.draw_mnist(datasets.load("mnist"))) == sampled.SHA256["mnist_sample"]


@pytest.mark.real_data("bng_glass")
def test_the_sample_of_glass_can_be_drawn_anew():
    table = datasets.load("bng_glass")
    if not table.source.startswith("BNG(glass), regenerated"):
        pytest.skip("another table")
    assert npz.sha256(sampled.draw_glass(table)) == sampled.SHA256["bng_glass_sample"]


def test_a_sample_that_was_changed_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(sampled, "FOLDER", tmp_path)
    np.savez(tmp_path / "mnist_sample.npz", **image_arrays())
    with pytest.raises(DataError, match=r"mnist_sample\.npz is not the sample that was shipped"):
        sampled.load_mnist()


def test_a_set_is_loaded_once_and_its_arrays_are_read_only():
    assert datasets.load("mnist_sample") is datasets.load("mnist_sample")
    with pytest.raises(ValueError, match="read-only"):
        datasets.load("mnist_sample").x_train[0] = 0


def test_local_copy_however_the_file_packs_it(folder):
    np.savez_compressed(folder / "mnist.npz", **dict(reversed(image_arrays().items())))
    data = datasets.load("mnist")
    np.testing.assert_array_equal(data.x_test, image_arrays()["x_test"])
    assert data.class_names == tuple("0123456789")
    assert data.sha256 == npz.sha256(image_arrays())


def test_arrays_come_in_the_byte_order_of_the_machine(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3, dtype=">i8"), f=np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]))
    read = npz.read(tmp_path / "a.npz", ("x", "f"), ("missing",))
    assert read["x"].dtype.isnative
    assert read["x"].tolist() == [0, 1, 2]
    assert read["f"].tolist() == [[1, 2], [3, 4]]


def test_download_is_checked_and_cached_with_the_mode_of_the_umask(folder, server, left):
    (folder / ".mnist.download-killed").mkdir()
    old = os.umask(0o027)
    try:
        data = datasets.load("mnist")
    finally:
        os.umask(old)
    np.testing.assert_array_equal(data.y_train, image_arrays()["y_train"])
    assert left() == ["mnist.npz"]
    assert (folder / "mnist.npz").stat().st_mode & 0o777 == 0o640
    (server / "mnist.npz").unlink()
    loading._load.cache_clear()
    assert datasets.load("mnist").sha256 == data.sha256


def test_without_network_the_error_names_the_file_to_provide(folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setattr(mnist, "URL", f"http://127.0.0.1:{port}/mnist.npz")
    with pytest.raises(DataError, match=r"put mnist\.npz into") as error:
        datasets.load("mnist")
    assert str(folder) in str(error.value)
    assert "BNKERAS_DATA" in str(error.value)


def test_a_download_that_stalls_ends(folder, stalling_url, monkeypatch, left):
    monkeypatch.setattr(mnist, "URL", stalling_url)
    monkeypatch.setattr(cache, "TIMEOUT", 0.2)
    with pytest.raises(DataError, match=r"download failed \(timed out\)"):
        datasets.load("mnist")
    assert left() == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_a_download_leaves_nothing(folder, stalling_url, name, left):
    program = f"""
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from bnkeras.datasets import load, mnist
mnist.URL = {stalling_url!r}
load("mnist")
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    while not list(folder.glob(".mnist.download-*")):
        assert process.poll() is None
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=60)
    assert process.returncode
    assert left() == []


def test_two_at_once_download_a_set_once(folder, monkeypatch):
    entered, second, downloads, loaded = threading.Event(), threading.Event(), [], []
    lock = filelock.FileLock

    def locked(path):
        if entered.is_set():
            second.set()
        return lock(path)

    def download(scratch):
        downloads.append(scratch)
        entered.set()
        assert second.wait(60)
        return image_arrays(), "made up"

    def load():
        build = lambda arrays, source, sha256: source  # noqa: E731
        loaded.append(cache.load(folder / "set.npz", common.IMAGE_KEYS, build, {}, "A set", download))

    monkeypatch.setattr(filelock, "FileLock", locked)
    threads = [threading.Thread(target=load) for _ in range(2)]
    threads[0].start()
    assert entered.wait(60)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert loaded == ["made up"] * 2
    assert len(downloads) == 1


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"must be one of .*mnist.*Received: name='minst'"):
        datasets.load("minst")


@pytest.mark.parametrize("part", ["cifar100_20k", "svhn_crops", "tiny_imagenet_100"])
def test_a_part_without_a_public_source_must_be_provided(folder, part, left):
    with pytest.raises(DataError, match=rf"has no public source; put {part}\.npz into"):
        datasets.load(part)
    assert left() == []


def test_a_message_is_one_line():
    assert str(DataError("two\nlines  of\ttext")) == "two lines of text"


@pytest.mark.parametrize("value", ["", " ", "/nowhere", "~nobody-of-that-name/data", "x" * 5000, __file__])
def test_bnkeras_data_that_is_no_folder(monkeypatch, value):
    monkeypatch.setenv("BNKERAS_DATA", value)
    with pytest.raises(DataError, match=r"`BNKERAS_DATA` must name a folder that exists .*Received: '"):
        datasets.load("mnist")


def test_prepared_images_are_the_first_of_the_set_from_0_to_1_reduced_and_padded():
    data = datasets.load("faces_drawn")
    small = datasets.prepared("faces_drawn", examples=10, test_examples=5, pixels=32, padding=2)
    assert small.x_train.shape == (10, 36, 36, 3)
    assert small.x_test.shape == (5, 36, 36, 3)
    assert small.x_train.dtype == np.float32
    np.testing.assert_array_equal(small.y_train, data.y_train[:10])
    square = data.x_train[3, 4:6, 8:10, 1].astype("float64")
    assert small.x_train[3, 4, 6, 1] == pytest.approx(square.mean() / 255, rel=1e-6)
    assert not small.x_train[:, :2].any()
    assert not small.x_train[:, :, 34:].any()
    assert small.source == (
        f"{data.source}, the first 10 for training and 5 for test, reduced to 32x32, padded with zeros to 36x36"
    )
    assert small.sha256 == data.sha256
    assert small is datasets.prepared("faces_drawn", examples=10, test_examples=5, pixels=32, padding=2)


def test_prepared_images_are_the_whole_set_if_nothing_else_is_asked():
    data, whole = datasets.load("mnist_sample"), datasets.prepared("mnist_sample")
    np.testing.assert_array_equal(whole.x_test, data.x_test.astype("float32") / np.float32(255))
    assert whole.source == data.source
    assert datasets.prepared("mnist_sample", examples=7).source == f"{data.source}, the first 7 for training"
    assert datasets.prepared("mnist_sample", padding=2).x_train.shape == (6000, 32, 32)
    assert datasets.prepared(data, pixels=14).x_train.shape == (6000, 14, 14)


@pytest.mark.parametrize(
    ("name", "value"),
    [("examples", 6001), ("examples", 0), ("test_examples", 2.5), ("pixels", 13), ("pixels", 56), ("padding", -1)],
)
def test_what_can_not_be_prepared(name, value):
    with pytest.raises(DataError, match=rf"`{name}` must .*Received: {name}={value}"):
        datasets.prepared("mnist_sample", **{name: value})


def test_a_table_is_not_prepared_as_images_nor_images_as_a_table():
    with pytest.raises(DataError, match="bng_glass_sample"):
        datasets.prepared("bng_glass_sample")
    with pytest.raises(DataError, match="mnist_sample"):
        datasets.prepared_table("mnist_sample", 100)


@pytest.mark.parametrize("name", faults.DAMAGES)
def test_a_damaged_file_is_named_with_its_damage(folder, name):
    data_set, damage, expected = faults.DAMAGES[name]
    damage(folder)
    with pytest.raises((DataError, UserWarning), match=re.escape(expected)):
        datasets.load(data_set)


def test_a_damaged_file_is_named_with_its_checksums(folder):
    path, arrays = folder / "mnist.npz", image_arrays()
    arrays["y_train"][0] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=rf"{path} .*expected SHA-256 {mnist.SHA256}, found {npz.sha256(arrays)}"):
        datasets.load("mnist")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=rf"{path} .*SHA-256 {npz.file_sha256(path)}"):
        datasets.load("mnist")


@pytest.mark.slow
def test_no_damage_of_a_data_file_is_silent_or_a_traceback(tmp_path):
    results = {name: faults.outcome(name, tmp_path / str(number)) for number, name in enumerate(faults.DAMAGES)}
    assert [name for name, said in results.items() if not said.startswith(("DataError: ", "skipped: "))] == []


@pytest.mark.real_data("mnist")
def test_real_mnist_has_the_published_statistics():
    data = datasets.load("mnist")
    assert data.x_train.mean() / 255 == pytest.approx(0.13066, abs=1e-5)
    assert data.x_train.std() / 255 == pytest.approx(0.30811, abs=1e-5)
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

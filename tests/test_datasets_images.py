import io
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image, ImageOps

from bnkeras import datasets
from bnkeras.datasets import DataError, bng_glass, cifar, drawn, faces, loading, mnist, npz, photos, svhn, tiny_imagenet


def image_arrays(shape, classes, n=20):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, n, *shape), dtype="uint8")
    labels = (np.arange(2 * n, dtype="uint8") % classes).reshape(2, n)
    return {"x_train": images[0], "y_train": labels[0], "x_test": images[1], "y_test": labels[1]}


def tar(path, files):
    """An archive of `{name: bytes}` in that order; a value that is a string is a symbolic link to it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def encoded(image, kind="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


NAME_10, NAME_100 = cifar.FILE_SHA256
README = (Path(__file__).parents[1] / "data" / "README.md").read_text()


@pytest.fixture
def served(file_server, monkeypatch):
    """The folder of a server on loopback in place of the hosts."""
    served, url = file_server
    for module, name in ((cifar, ""), (svhn, ""), (mnist, "archive"), (tiny_imagenet, "archive"), (faces, "archive")):
        monkeypatch.setattr(module, "URL", f"{url}/{name}")
    return served


def cifar_files(n=4, batches=cifar.BATCHES_10, label=bytes):
    """The batches of a small CIFAR whose image `i` of batch `b` has label `i`, red `b`, green 100, blue rising."""
    rest = bytes([100] * 1024) + bytes(range(256)) * 4
    names = enumerate([*batches["train"], *batches["test"]])
    return {f"cifar/{name}": b"".join(label([i]) + bytes([b] * 1024) + rest for i in range(n)) for b, name in names}


def serve_cifar(monkeypatch, served, name, files):
    tar(served / name, files)
    monkeypatch.setitem(cifar.FILE_SHA256, name, npz.file_sha256(served / name))


def reloaded(left, name):
    """What `load` gives from the cached file alone, which is the only file there."""
    assert left() == [f"{name}.npz"]
    loading._load.cache_clear()
    return datasets.load(name)


def test_cifar10_download_is_decoded_stamped_and_cached(folder, served, monkeypatch, left):
    serve_cifar(monkeypatch, served, NAME_10, {**cifar_files(), "cifar/batches.meta.txt": b"airplane\n"})
    data = datasets.load("cifar10")
    assert data.x_train.shape == (20, 32, 32, 3)
    assert data.x_train[:, 0, 0, 0].tolist() == np.repeat(np.arange(5), 4).tolist()
    assert data.y_train.tolist() == [0, 1, 2, 3] * 5
    np.testing.assert_array_equal(data.x_test[0, 1, 30:], [[5, 100, 62], [5, 100, 63]])
    assert data.source == "CIFAR-10, 20 + 4 images"
    (served / NAME_10).unlink()
    again = reloaded(left, "cifar10")
    assert (again.source, again.sha256) == (data.source, data.sha256)


def test_cifar100_download_takes_the_fine_labels(folder, served, monkeypatch):
    files = cifar_files(batches=cifar.BATCHES_100, label=lambda i: bytes([19, 90 + i[0]]))
    serve_cifar(monkeypatch, served, NAME_100, files)
    data = datasets.load("cifar100")
    assert data.y_test.tolist() == [90, 91, 92, 93]
    assert [data.class_names[label] for label in (0, 90, 99)] == ["apple", "train", "worm"]
    np.testing.assert_array_equal(data.x_test[0, 1, 30:], [[1, 100, 62], [1, 100, 63]])
    assert data.source == "CIFAR-100, 4 + 4 images"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cifar/test_batch.bin": b"\0" * 3072}, "records of 3073 bytes, got 3072 bytes"),
        ({"cifar/test_batch.bin": "/etc/passwd"}, "download failed .*test_batch.bin"),
        (cifar_files(n=11), "`y_train` must lie in 0 to 9. Received: 10"),
    ],
    ids=["cut off", "a link", "labels"],
)
def test_bad_cifar10_archive(folder, served, monkeypatch, change, message, left):
    serve_cifar(monkeypatch, served, NAME_10, {**cifar_files(), **change})
    with pytest.raises(DataError, match=message):
        datasets.load("cifar10")
    assert left() == []


def test_svhn_download_is_read_without_pickles_and_gives_0_its_label(folder, served, monkeypatch, left):
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype="uint8")
    for name in svhn.FILES:
        scipy.io.savemat(served / name, {"X": x, "y": np.array([[1], [2], [9], [10]], "uint8")}, do_compression=True)
        monkeypatch.setitem(svhn.FILES, name, npz.file_sha256(served / name))
    data = datasets.load("svhn")
    assert data.y_train.tolist() == data.y_test.tolist() == [1, 2, 9, 0]
    np.testing.assert_array_equal(data.x_test[2, 5, 7], x[5, 7, :, 2])
    assert data.source == "SVHN, cropped digits, 4 + 4 images"
    assert reloaded(left, "svhn").sha256 == data.sha256


def serve_tiny_imagenet(monkeypatch, served, **changes):
    """Two classes with two images for training and one for validation; the grey level tells them apart."""
    files = {"wnids.txt": "n2\nn1\n", "words.txt": "n1\ttench, Tinca\nn2\tcrane\nn3\tother\n"}
    files["val/val_annotations.txt"] = "val_0.JPEG\tn2\t0\t0\t9\t9\nval_1.JPEG\tn1\t0\t0\t9\t9\n"
    for name, level in (("train/n1/images/n1_0", 10), ("train/n1/images/n1_1", 20), ("train/n2/images/n2_0", 110)):
        files[f"{name}.JPEG"] = encoded(Image.new("L", (64, 64), level), "jpeg")
    for name, level in (("train/n2/images/n2_1", 120), ("val/images/val_0", 130), ("val/images/val_1", 30)):
        files[f"{name}.JPEG"] = encoded(Image.new("RGB", (64, 64), (level, 0, 0)), "jpeg")
    with zipfile.ZipFile(served / "archive", "w") as archive:
        for name, content in {**files, **changes}.items():
            archive.writestr(f"tiny-imagenet-200/{name}", content)
    monkeypatch.setattr(tiny_imagenet, "FILE_SHA256", npz.file_sha256(served / "archive"))


def test_tiny_imagenet_download_is_read_out_of_its_archive(folder, served, monkeypatch, left):
    serve_tiny_imagenet(monkeypatch, served)
    data = datasets.load("tiny_imagenet")
    assert data.class_names == ("tench, Tinca", "crane")
    red = data.x_train[:, 32, 32, 0].astype(int)
    assert sorted(red) == pytest.approx([10, 20, 110, 120], abs=2)
    np.testing.assert_array_equal(data.y_train, red > 100)
    np.testing.assert_array_equal(data.y_test, data.x_test[:, 32, 32, 0] > 100)
    assert data.source == "Tiny ImageNet, 2 classes, 4 + 2 images, its validation part for test"
    assert reloaded(left, "tiny_imagenet").class_names == data.class_names


@pytest.mark.parametrize("name", ["words.txt", "val/val_annotations.txt", "train/n1/images/n1_0.JPEG"])
def test_bad_tiny_imagenet_archive(folder, served, monkeypatch, name, left):
    serve_tiny_imagenet(monkeypatch, served, **{name: b"nothing of use"})
    with pytest.raises(DataError, match=r"download failed .*put tiny_imagenet.npz into"):
        datasets.load("tiny_imagenet")
    assert left() == []


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "svhn", "tiny_imagenet", "faces"])
def test_a_tampered_download_is_not_used(folder, served, name, left):
    for file in (NAME_10, NAME_100, *svhn.FILES, "archive"):
        (served / file).write_bytes(b"something else")
    with pytest.raises(DataError, match=rf"{name} is not in .* download failed .*14 bytes.*put {name}.npz into"):
        datasets.load(name)
    assert left() == []


@pytest.mark.parametrize(
    ("name", "file", "shape", "classes"),
    [
        ("cifar10", "cifar10", (32, 32, 3), 10),
        ("cifar100", "cifar100_20k", (32, 32, 3), 100),
        ("svhn", "svhn_crops", (32, 32, 3), 10),
        ("tiny_imagenet", "tiny_imagenet_100", (64, 64, 3), 100),
        ("faces", "faces", (64, 64, 3), 4),
    ],
)
def test_local_copy_of_unknown_origin(folder, name, file, shape, classes):
    arrays = image_arrays(shape, classes)
    np.savez(folder / f"{file}.npz", **arrays)
    data = datasets.load(name)
    assert data.name == file
    assert data.source.endswith(f"a local file of unknown origin (SHA-256 {data.sha256[:12]})")
    assert len(data.class_names) == classes
    np.testing.assert_array_equal(data.x_test, arrays["x_test"])
    np.savez(folder / f"{name}.npz", **image_arrays(shape, classes, n=21))
    loading._load.cache_clear()
    assert len(datasets.load(name).y_train) == 21


def test_local_copies_may_name_their_classes(folder):
    np.savez(folder / "faces.npz", **image_arrays((64, 64, 3), 3), class_names=np.array(["Ann", "Ben", "Cy"]))
    assert datasets.load("faces").class_names == ("Ann", "Ben", "Cy")
    np.savez(folder / "tiny_imagenet_100.npz", **image_arrays((64, 64, 3), 100))
    (folder / "tiny_imagenet_100.classes.txt").write_text("".join(f"n{i}\tthing {i}\n" for i in range(100)))
    assert datasets.load("tiny_imagenet_100").class_names[99] == "thing 99"


def test_faces_download_takes_the_three_people_with_the_most_photos(folder, served, monkeypatch, left):
    files = {"lfw_funneled/pairs_01.txt": b"10\n", "lfw_funneled/Cy_Dee/link.jpg": "/etc/passwd"}
    for person, count, colour in (
        ("Ann_Lee", 3, "red"),
        ("Ben_Roe", 6, "lime"),
        ("Cy_Dee", 2, "red"),
        ("Dot_Fox", 4, "red"),
    ):
        photo = Image.new("RGB", (250, 250), "white")
        photo.paste(colour, faces.BOX)
        files |= {f"lfw_funneled/{person}/{person}_{n:04}.jpg": encoded(photo, "jpeg") for n in range(1, count + 1)}
    tar(served / "archive", files)
    monkeypatch.setattr(faces, "FILE_SHA256", npz.file_sha256(served / "archive"))
    data = datasets.load("faces")
    assert data.class_names == ("Ben Roe", "Dot Fox", "Ann Lee")
    assert np.bincount(data.y_train).tolist() == [4, 2, 2]
    assert np.bincount(data.y_test).tolist() == [2, 2, 1]
    first = data.x_train[data.y_train == 0][0].astype(int)
    np.testing.assert_allclose(first[8:-8, 8:-8], np.broadcast_to([0, 255, 0], (48, 48, 3)), atol=4)
    assert data.source == "Labeled Faces in the Wild, 3 people, 8 + 5 images, 64x64, own crop and split"
    again = reloaded(left, "faces")
    assert (again.source, again.class_names, again.sha256) == (data.source, data.class_names, data.sha256)


def add_photos(folder, **people):
    """Write photos of one grey level each, `{person: levels}`, as `<folder>/<person>/<number>.png`."""
    for person, levels in people.items():
        (folder / person).mkdir(parents=True)
        for number, level in enumerate(levels):
            Image.new("L", (70, 70), level).save(folder / person / f"{number:02}.png")


def levels(images):
    return sorted(images[:, 32, 32, 0].tolist())


def test_own_photos_go_before_a_file_and_are_split_by_person(folder):
    np.savez(folder / "faces.npz", **image_arrays((64, 64, 3), 3))
    add_photos(folder / "faces", Zoe=range(10), Ann=range(100, 105), Ben=range(200, 202))
    (folder / "faces" / ".hidden").mkdir()
    (folder / "faces" / "Zoe" / ".DS_Store").write_bytes(b"Bud1")
    data = datasets.load("faces")
    assert data.class_names == ("Ann", "Ben", "Zoe")
    assert data.source == "own photos, 3 people, 10 + 7 images"
    assert np.bincount(data.y_train).tolist() == [3, 1, 6]
    assert np.bincount(data.y_test).tolist() == [2, 1, 4]
    for label, expected in enumerate(([*range(100, 105)], [200, 201], [*range(10)])):
        train, test = data.x_train[data.y_train == label], data.x_test[data.y_test == label]
        assert levels(np.concatenate([train, test])) == expected


def test_a_persons_split_depends_on_their_photos_alone(folder):
    add_photos(folder / "faces", Ann=range(10), Ben=range(100, 110))
    data = datasets.load("faces")
    loading._load.cache_clear()
    add_photos(folder / "faces", Abe=range(200, 205))
    more = datasets.load("faces")
    assert levels(data.x_test[data.y_test == 0]) == levels(more.x_test[more.y_test == 1])
    assert levels(data.x_test[data.y_test == 0]) != [6, 7, 8, 9]


def test_broken_and_other_files_are_skipped_named_and_counted(folder):
    add_photos(folder / "faces", Ann=range(3), Ben=range(100, 103))
    whole = encoded(Image.effect_noise((80, 80), 50))
    (folder / "faces" / "Ann" / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "faces" / "Ben" / "notes.txt").write_text("Ben at the sea")
    (folder / "faces" / "Ben" / "narrow.png").write_bytes(encoded(Image.new("L", (100, 1))))
    (folder / "faces" / "Ben" / "more").mkdir()
    (folder / "faces" / "loose.png").write_bytes(whole)
    with pytest.warns(UserWarning, match=r"5 files skipped.*loose.png, Ann/broken.png, Ben/more, Ben/narr") as caught:
        data = datasets.load("faces")
    assert len(caught) == 1
    assert data.source == "own photos, 2 people, 4 + 2 images, 5 files skipped"
    loading._load.cache_clear()
    for number in range(7):
        (folder / "faces" / "Ann" / f"{number}.txt").write_text("")
    with pytest.warns(UserWarning, match=r"12 files skipped.*loose.png, Ann/0.txt, .*Ann/3.txt, \.\.\.$"):
        datasets.load("faces")


@pytest.mark.parametrize("people", [{}, {"Ann": range(3)}, {"Ann": range(3), "Ben": [100]}])
def test_too_few_people_or_photos(folder, people):
    (folder / "faces").mkdir()
    add_photos(folder / "faces", **people)
    with pytest.raises(DataError, match=r"faces.* (photos of two people or more|two usable photos of 'Ben')"):
        datasets.load("faces")


def test_a_folder_by_class_is_resized_and_its_classes_drawn_by_seed(tmp_path):
    for part, first in (("train", 0), ("val", 100)):
        add_photos(tmp_path / part, **{f"n{i}": [first + 10 * i, first + 10 * i + 1] for i in range(6)})
    some, more = (datasets.load_folder(tmp_path, classes=classes, seed=3, pixels=8) for classes in (2, 4))
    assert some.x_train.shape == some.x_test.shape == (4, 8, 8, 3)
    assert set(some.class_names) < set(more.class_names) < {f"n{i}" for i in range(6)}
    for x, y, first in ((more.x_train, more.y_train, 0), (more.x_test, more.y_test, 100)):
        names = [f"n{(int(level) - first) // 10}" for level in x[:, 4, 4, 0]]
        assert names == [more.class_names[label] for label in y]
    assert some.source == f"folder {tmp_path.name}, 2 of 6 classes by seed 3, 4 + 4 images of 8x8"
    assert len(datasets.load_folder(tmp_path, pixels=8).class_names) == 6
    (tmp_path / "val" / "n0" / "00.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"1 file skipped.*val/n0/00.png"):
        assert datasets.load_folder(tmp_path, pixels=9).source.endswith("12 + 11 images of 9x9, 1 file skipped")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 3}, "`classes` must be an integer from 1 to 2. Received: classes=3"),
        ({"pixels": 0}, "Received: pixels=0"),
        ({"folder": "nowhere"}, "nowhere/train must be a folder"),
        ({"classes": 2}, "val/Ben must be a folder"),
        ({"folder": "none"}, "none/val/Ann must hold images"),
    ],
)
def test_bad_folders_by_class(tmp_path, arguments, message):
    add_photos(tmp_path / "train", Ann=[1], Ben=[2])
    add_photos(tmp_path / "val", Ann=[1])
    add_photos(tmp_path / "none" / "train", Ann=[1])
    add_photos(tmp_path / "none" / "val", Ann=[])
    arguments["folder"] = tmp_path / arguments.get("folder", "")
    with pytest.raises(DataError, match=message):
        datasets.load_folder(**arguments)


def test_a_photo_is_padded_or_cut_to_a_square_and_keeps_its_aspect_ratio():
    wide = io.BytesIO(encoded(Image.new("RGB", (400, 200), (10, 200, 30))))
    expected = np.zeros((64, 64, 3), "uint8")
    expected[16:48] = [10, 200, 30]
    np.testing.assert_array_equal(photos.read(wide), expected)
    assert (photos.read(wide, 32, ImageOps.fit) == [10, 200, 30]).all()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [*((mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")), ("CMYK", "jpeg"), ("F", "tiff")],
)
def test_a_photo_may_have_any_mode(mode, kind):
    left_half_white = np.zeros((80, 80), "uint8")
    left_half_white[:, :40] = 255
    image = Image.fromarray(left_half_white).convert(mode if mode != "I;16" else "L")
    image = Image.fromarray(left_half_white.astype("uint16") * 200) if mode == "I;16" else image
    squared = photos.read(io.BytesIO(encoded(image, kind))).astype(int)
    assert (squared[:, :28] >= 250).all()
    assert (squared[:, 36:] <= 5).all()


def test_transparent_parts_are_black_and_exif_orientation_is_honoured():
    image = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    image.paste((200, 100, 50, 255), (0, 0, 32, 64))
    squared = photos.read(io.BytesIO(encoded(image)))
    assert (squared[:, :30] == [200, 100, 50]).all()
    assert not squared[:, 34:].any()
    image = Image.new("RGB", (640, 320))
    image.paste((255, 255, 255), (0, 0, 160, 320))
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by 90 degrees clockwise: the left edge becomes the upper one.
    turned = photos.read(io.BytesIO(encoded(image, "jpeg", exif=exif))).astype(int)
    assert (turned[:14, 18:46] > 240).all()
    assert (turned[18:] < 15).all()


def nearest_mean_colour(data):
    """Test accuracy of the nearest class mean of an image's mean colour."""
    train, test = data.x_train.mean((1, 2)), data.x_test.mean((1, 2))
    centres = np.stack([train[data.y_train == label].mean(0) for label in range(len(data.class_names))])
    return (np.linalg.norm(test[:, None] - centres, axis=2).argmin(1) == data.y_test).mean()


def pixel_classifier(data):
    """Test accuracy of a support vector machine on small grey images, each of mean 0 and variance 1."""
    from sklearn.svm import SVC

    def features(images):
        grey = images.mean(-1).reshape(len(images), -1)
        return (grey - grey.mean(1, keepdims=True)) / grey.std(1, keepdims=True)

    small = datasets.prepared(data, pixels=16)
    return SVC(C=10).fit(features(small.x_train), data.y_train).score(features(small.x_test), data.y_test)


@pytest.mark.parametrize("name", drawn.SETS)
def test_stand_ins_are_told_apart_by_shape_not_by_colour(name):
    size, classes, train, test, _ = drawn.SETS[name]
    data = datasets.load(name)
    assert data.source.startswith(f"stand-in: {train:,} + {test:,} drawn ")
    assert (data.x_train.shape, data.x_test.shape) == ((train, size, size, 3), (test, size, size, 3))
    assert np.bincount(data.y_train).tolist() == [train / classes] * classes
    assert np.bincount(data.y_test).tolist() == [test / classes] * classes
    assert nearest_mean_colour(data) < 0.1 + 1 / classes
    assert 0.99 > pixel_classifier(data) > 0.25 + 1 / classes
    assert drawn.load(name).sha256 == data.sha256


REAL = {
    "cifar10": ("CIFAR-10, 50,000 + 10,000 images", (50_000, 10_000)),
    "cifar100_20k": ("CIFAR-100, 20k subset, own split", (16_000, 4_000)),
    "svhn_crops": ("SVHN, 6k own crops", (4_434, 1_952)),
    "tiny_imagenet_100": ("Tiny ImageNet, 100 of 200 classes", (20_000, 5_000)),
    "faces": ("Labeled Faces in the Wild, 3 people, 529 + 354 images, 64x64", (529, 354)),
}


def test_the_readme_of_the_data_folder_has_the_checksums_of_known_copies():
    assert set(re.findall("[0-9a-f]{64}", README)) == {
        *loading._KNOWN,
        faces.LOCAL_SHA256,
        bng_glass.REGENERATED_SHA256,
    }


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.real_data(name)) for name in REAL])
def test_real_sets_say_what_they_are(name):
    data = datasets.load(name)
    if data.sha256 not in README:
        pytest.skip("another copy")
    source, sizes = REAL[name]
    assert data.source.startswith(source)
    assert (len(data.y_train), len(data.y_test)) == sizes
    if name == "faces":
        assert data.class_names == ("George W Bush", "Colin Powell", "Tony Blair")
        assert (np.bincount(data.y_train) + np.bincount(data.y_test)).tolist() == [510, 229, 144]


@pytest.mark.real_data("cifar10")
def test_real_cifar10_has_the_published_statistics():
    data = datasets.load("cifar10")
    assert np.bincount(data.y_train).tolist() == [5000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    pixels = data.x_train.reshape(-1, 3)
    np.testing.assert_allclose(pixels.mean(0) / 255, [0.49140, 0.48216, 0.44653], atol=1e-5)
    np.testing.assert_allclose(pixels[::7].std(0) / 255, [0.24703, 0.24348, 0.26159], atol=1e-3)

import socket

import numpy as np
import pytest

from bnkeras import datasets
from bnkeras.datasets import DataError, ImageData, common, mnist


def image_arrays(n=6):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, n, 28, 28), dtype="uint8")
    labels = np.arange(2 * n, dtype="uint8").reshape(2, n) % 10
    return {"x_train": images[0], "y_train": labels[0], "x_test": images[1], "y_test": labels[1]}


def image_data(**changes):
    about = {"name": "small", "class_names": tuple("0123456789"), "source": "made up", "sha256": ""}
    return ImageData(**{**about, **image_arrays(), **changes})


@pytest.fixture
def folder(folder, monkeypatch):
    """An empty data folder in force, small arrays taking the place of MNIST's checksum."""
    monkeypatch.setattr(mnist, "SHA256", common.arrays_sha256(image_arrays()))
    return folder


@pytest.fixture
def server(file_server, monkeypatch):
    """A server on loopback in place of MNIST's host; a test puts files into the folder it yields."""
    served, url = file_server
    monkeypatch.setattr(mnist, "URL", f"{url}/mnist.npz")
    return served


def test_digits_are_a_labelled_stand_in_of_the_shape_of_mnist():
    data = datasets.load("digits")
    assert data.x_train.shape == (1380, 28, 28)
    assert data.x_test.shape == (417, 28, 28)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 255
    assert np.bincount(data.y_test).tolist() == [41, 42, 41, 43, 42, 42, 42, 42, 40, 42]
    assert data.source.startswith("stand-in")


def test_a_set_is_loaded_once_and_its_arrays_are_read_only():
    assert datasets.load("digits") is datasets.load("digits")
    with pytest.raises(ValueError, match="read-only"):
        datasets.load("digits").x_train[0] = 0


def test_local_copy(folder):
    np.savez(folder / "mnist.npz", **image_arrays())
    data = datasets.load("mnist")
    np.testing.assert_array_equal(data.x_test, image_arrays()["x_test"])
    assert data.class_names == tuple("0123456789")


def test_checksum_does_not_depend_on_how_the_file_packs_the_arrays(folder):
    np.savez_compressed(folder / "mnist.npz", **dict(reversed(image_arrays().items())))
    assert datasets.load("mnist").sha256 == common.arrays_sha256(image_arrays())


def test_download_is_checked_and_cached(folder, server, monkeypatch):
    np.savez(server / "mnist.npz", **image_arrays())
    monkeypatch.setattr(mnist, "FILE_SHA256", common.file_sha256(server / "mnist.npz"))
    data = datasets.load("mnist")
    np.testing.assert_array_equal(data.y_train, image_arrays()["y_train"])
    (server / "mnist.npz").unlink()
    datasets._load.cache_clear()
    assert datasets.load("mnist").sha256 == data.sha256
    assert [path.name for path in folder.iterdir()] == ["mnist.npz"]


def test_tampered_download_is_not_used(folder, server):
    np.savez(server / "mnist.npz", **image_arrays())
    with pytest.raises(DataError, match=r"(?s)mnist is not in .* download failed .*put mnist.npz into"):
        datasets.load("mnist")
    assert list(folder.iterdir()) == []


def test_without_network_the_error_names_the_file_to_provide(folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setattr(mnist, "URL", f"http://127.0.0.1:{port}/mnist.npz")
    with pytest.raises(DataError, match=r"put mnist\.npz into") as error:
        datasets.load("mnist")
    assert str(folder) in str(error.value)
    assert "BNKERAS_DATA" in str(error.value)


def test_truncated_file_names_both_checksums(folder):
    path = folder / "mnist.npz"
    np.savez(path, **image_arrays())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    for part in (str(path), mnist.SHA256, common.file_sha256(path)):
        assert part in str(error.value)


def test_tampered_file_names_both_checksums(folder):
    arrays = image_arrays()
    arrays["y_train"][0] ^= 1
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    for part in (str(folder / "mnist.npz"), mnist.SHA256, common.arrays_sha256(arrays)):
        assert part in str(error.value)


def test_pickled_arrays_are_refused(folder):
    arrays = {**image_arrays(), "y_train": np.array([{}], dtype=object)}
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError, match="can't be read"):
        datasets.load("mnist")


def test_data_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("BNKERAS_DATA", str(tmp_path / "a-file" / "data"))
    with pytest.raises(DataError, match=r"is not writable .*put mnist.npz into"):
        datasets.load("mnist")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'minst' is unknown; known are .*mnist"):
        datasets.load("minst")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.array([0, 1, 2, 3, 10, 11])}, r"small: y_train must lie in 0 to 9, got 10 \(2 labels outside"),
        ({"y_test": np.array([0, 1, 2, 3, 4, -1])}, "y_test must lie in 0 to 9, got -1"),
        ({"y_test": np.linspace(0, 1, 6)}, "y_test must be one row of integers"),
        ({"y_test": np.zeros(5, dtype=int)}, "x_test has 6 images, y_test has 5 labels"),
        ({"x_test": np.zeros((6, 28, 27))}, r"x_test must have shape \(n > 0, 28, 28\), got \(6, 28, 27\)"),
        ({"x_test": np.zeros((0, 28, 28))}, r"x_test must have shape \(n > 0, 28, 28\), got \(0, 28, 28\)"),
        ({"x_train": np.full((6, 28, 28), np.nan)}, "x_train must be finite numbers"),
    ],
)
def test_bad_arrays(changes, message):
    with pytest.raises(DataError, match=message):
        image_data(**changes)


@pytest.mark.real_data("mnist")
def test_real_mnist_has_the_published_statistics():
    data = datasets.load("mnist")
    assert data.x_train.mean() / 255 == pytest.approx(0.13066, abs=1e-5)
    assert data.x_train.std() / 255 == pytest.approx(0.30811, abs=1e-5)
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

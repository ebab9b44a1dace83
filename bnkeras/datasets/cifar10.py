"""CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour photos of ten kinds of thing, 32x32 pixels."""

import tarfile
from pathlib import PurePosixPath

import numpy as np

from bnkeras.datasets import cache, common

# The binary version: Keras downloads the one that holds pickles.
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
FILE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
KNOWN = {
    "c4227696fcfe3522645a07a7e7648580e52fd79be6c0ea15f0c8d9c784eea511": (
        "CIFAR-10, 50,000 + 10,000 images, 104 of them from a JPEG copy"
    )
}


def load(folder):
    """Load `<folder>/cifar10.npz`, downloading and caching the author's binary version where it is missing."""
    path = folder / "cifar10.npz"
    arrays, source, _ = cache.load_stamped(path, common.IMAGE_KEYS, KNOWN, "CIFAR-10", _download)
    return _data(arrays, source)


def decode(records):
    """Images uint8 `[n, 32, 32, 3]` and labels uint8 `[n]` of a binary batch.

    A record is a byte for the label, then 1,024 bytes each of red, green and blue, row by row.

    Raises:
        ValueError: for bytes that are no whole number of records.
    """
    length = 1 + np.prod(SHAPE)
    if not records or len(records) % length:
        raise ValueError(f"a batch must be records of {length} bytes, got {len(records)} bytes")
    rows = np.frombuffer(records, "uint8").reshape(-1, length)
    images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, 0].copy()


def _data(arrays, source):
    return common.image_data("cifar10", arrays, CLASS_NAMES, source, SHAPE)


def _download(folder):
    with tarfile.open(cache.get_file(URL, FILE_SHA256, folder)) as archive:
        files = {PurePosixPath(item.name).name: archive.extractfile(item).read() for item in archive if item.isfile()}
    missing = [name for name in (*TRAIN, TEST) if name not in files]
    if missing:
        raise ValueError(f"the archive lacks {missing[0]}")
    x_train, y_train = decode(b"".join(files[name] for name in TRAIN))
    x_test, y_test = decode(files[TEST])
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    source = f"CIFAR-10, {len(y_train):,} + {len(y_test):,} images"
    _data(arrays, source)
    return arrays, source

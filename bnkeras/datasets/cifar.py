"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): colour photos of ten or a hundred kinds of thing, 32x32 pixels."""

import tarfile
from pathlib import PurePosixPath

import numpy as np

from bnkeras.datasets import cache, common

# The author's binary versions: Keras downloads those that hold pickles.
URL = "https://www.cs.toronto.edu/~kriz/"
FILE_SHA256 = {
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
}
BATCHES_10 = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
BATCHES_100 = {"train": ["train.bin"], "test": ["test.bin"]}
SHAPE = (32, 32, 3)
CLASS_NAMES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_NAMES_100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CLASS_NAMES_100 = tuple(_NAMES_100.split())


def download(classes, folder):
    """The arrays of CIFAR-10, or of CIFAR-100 with its fine classes, and their source, downloaded into `folder`."""
    name, batches = f"cifar-{classes}-binary.tar.gz", BATCHES_10 if classes == 10 else BATCHES_100
    with tarfile.open(cache.fetch(URL + name, FILE_SHA256[name], folder)) as archive:
        files = {PurePosixPath(item.name).name: archive.extractfile(item).read() for item in archive if item.isfile()}
    arrays = {}
    for split, parts in batches.items():
        records = b"".join(files[part] for part in parts)
        arrays[f"x_{split}"], arrays[f"y_{split}"] = decode(records, label_bytes=1 if classes == 10 else 2)
    return arrays, f"CIFAR-{classes}, {common.counts(arrays)}"


def decode(records, label_bytes=1):
    """Images uint8 `[n, 32, 32, 3]` and labels uint8 `[n]` of a binary batch.

    A record is a byte for the label (in CIFAR-100 one for the coarse, one for the fine label, which is taken), then
    1,024 bytes each of red, green and blue, row by row.
    """
    length = label_bytes + np.prod(SHAPE)
    if not records or len(records) % length:
        raise ValueError(f"a batch must be records of {length} bytes, got {len(records)} bytes")
    rows = np.frombuffer(records, "uint8").reshape(-1, length)
    images = rows[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, label_bytes - 1].copy()

"""Tiny ImageNet (Stanford, CS231n): 200 classes of ImageNet, 500 + 50 images each, 64x64 colour pixels."""

import io
import zipfile

import numpy as np

from bnkeras.datasets import cache, common, photos

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
FILE_SHA256 = "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"
SHAPE = (64, 64, 3)
_TOP = "tiny-imagenet-200/"


def download(folder):
    """The arrays of all classes and their source, read out of the public archive, downloaded into `folder`.

    Its validation part is the test part here, as that of the archive has no labels. Both are shuffled, by seed 0;
    labels follow the WordNet identifiers of the classes.
    """
    with zipfile.ZipFile(cache.fetch(URL, FILE_SHA256, folder)) as archive:

        def lines(name):
            return [line.split("\t") for line in archive.read(_TOP + name).decode().splitlines()]

        identifiers = sorted(line[0] for line in lines("wnids.txt"))
        words = dict(lines("words.txt"))
        train = [name for name in sorted(archive.namelist()) if name.startswith(f"{_TOP}train/")]
        files = {
            "train": [(name, name.split("/")[2]) for name in train if name.endswith(".JPEG")],
            "test": [(f"{_TOP}val/images/{line[0]}", line[1]) for line in lines("val/val_annotations.txt")],
        }
        arrays = {"class_names": np.array([words[identifier] for identifier in identifiers])}
        for split, pairs in files.items():
            read = [(photos.read(io.BytesIO(archive.read(name))), identifiers.index(code)) for name, code in pairs]
            arrays[f"x_{split}"], arrays[f"y_{split}"] = photos.shuffled(read)
    return arrays, f"Tiny ImageNet, {len(identifiers)} classes, {common.counts(arrays)}, its validation part for test"

"""Samples of real sets that ship with the package, in its folder `samples`, with their licences."""

from pathlib import Path

import numpy as np

from bnkeras.datasets import bng_glass, common, mnist, npz, tables

FOLDER = Path(__file__).parent / "samples"
SHA256 = {
    "mnist_sample": "1d26f82002fb77bb256a7b0babb01c3771cdbc2ab267b420cb86c77b989841cd",
    "bng_glass_sample": "963f8c7c2148f71fec4a37d7423e969d55f50af2d9b982424a4839440f732dc2",
}
PER_CLASS = {"train": 600, "test": 100}


def load_mnist():
    """Load 600 + 100 images of each class of MNIST, in an order drawn by seed."""
    arrays, source = _read("mnist_sample", common.IMAGE_KEYS), "MNIST, sample of 6,000 + 1,000 images"
    return common.images("mnist_sample", mnist.SHAPE, mnist.CLASS_NAMES, arrays, source, SHA256["mnist_sample"])


def load_glass():
    """Load 10,000 rows of BNG(glass), every class with its share of all rows."""
    arrays, source = _read("bng_glass_sample", bng_glass.KEYS), "BNG(glass), regenerated, sample of 10,000 rows"
    return bng_glass.table("bng_glass_sample", arrays, source, SHA256["bng_glass_sample"])


def _read(name, keys):
    path = FOLDER / f"{name}.npz"
    arrays = npz.read(path, keys)
    if npz.sha256(arrays) != SHA256[name]:
        raise common.DataError(f"{path} is not the sample that was shipped, and was not used; install bnkeras anew")
    return arrays


def draw_mnist(data):
    """The arrays of `mnist_sample`, drawn from all of MNIST."""
    arrays = {}
    for split, count in PER_CLASS.items():
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        order = np.random.default_rng(0).permutation(len(y))
        places = np.concatenate([np.flatnonzero(y[order] == label)[:count] for label in np.unique(y)])
        chosen = order[np.sort(places)]
        arrays[f"x_{split}"], arrays[f"y_{split}"] = x[chosen], y[chosen]
    return arrays


def draw_glass(table):
    """The arrays of `bng_glass_sample`, drawn from all rows of BNG(glass)."""
    _, _, x, y = tables.stratified_split(table, test_size=10_000, seed=0)
    names = {key: np.array(getattr(table, key)) for key in ("feature_names", "class_names")}
    return {"x": x, "y": y, **names}


def write(images, table):
    """Draw the samples anew from all of MNIST and of BNG(glass), and return their checksums."""
    drawn = {"mnist_sample": draw_mnist(images), "bng_glass_sample": draw_glass(table)}
    for name, arrays in drawn.items():
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    return {name: npz.sha256(arrays) for name, arrays in drawn.items()}

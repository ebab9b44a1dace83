"""Data sets by name: `load("mnist")` finds a local copy, downloads one, or says which file to provide and where."""

import functools

from bnkeras.datasets import bng_glass, cifar10, cifar10_drawn, digits, faces, faces_drawn, glass_drawn, mnist
from bnkeras.datasets.common import DataError, ImageData, TableData, data_folder
from bnkeras.datasets.tables import standardize, stratified_split

__all__ = ["DataError", "ImageData", "TableData", "data_folder", "load", "names", "standardize", "stratified_split"]

_LOADERS = {
    "mnist": mnist.load,
    "digits": digits.load,
    "bng_glass": bng_glass.load,
    "glass_drawn": glass_drawn.load,
    "faces": faces.load,
    "faces_drawn": faces_drawn.load,
    "cifar10": cifar10.load,
    "cifar10_drawn": cifar10_drawn.load,
}


def names():
    """Names that `load` knows, in alphabetical order."""
    return sorted(_LOADERS)


def load(name):
    """Load a data set.

    A real set is looked for as `<name>.npz` in `data_folder()`, else downloaded from its public source and cached
    there. A set is loaded once per process and folder; its arrays are read-only.

    Args:
        name: one of `names()`: `"mnist"` (60,000 + 10,000 images of 28x28, uint8), `"digits"` (its embedded
            stand-in, 1,380 + 417 images, no network), `"bng_glass"` (137,781 rows of 9 features, 7 classes),
            `"glass_drawn"` (its embedded stand-in, 5,000 drawn rows), `"faces"` (your own photos in a folder `faces`
            with a sub-folder per person, else three people of Labeled Faces in the Wild; 64x64x3, uint8),
            `"faces_drawn"` (its embedded stand-in, 240 + 120 drawn faces), `"cifar10"` (50,000 + 10,000 images of
            32x32x3, uint8) or `"cifar10_drawn"` (its embedded stand-in, 500 + 250 drawn pictures).

    Returns:
        An `ImageData`, or a `TableData` for the two sets of glass.

    Raises:
        DataError: for an unknown name, a file that fails its checksum, or a set that is neither there nor to be had.
    """
    if name not in _LOADERS:
        raise DataError(f"data set {name!r} is unknown; known are {', '.join(names())}")
    return _load(name, data_folder())


@functools.lru_cache(maxsize=4)
def _load(name, folder):
    return _LOADERS[name](folder)

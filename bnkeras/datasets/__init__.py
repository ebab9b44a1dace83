"""Data sets by name: `load("mnist")` finds a local copy, downloads one, or says which file to provide and where."""

import functools

from bnkeras.datasets import bng_glass, digits, glass_drawn, mnist
from bnkeras.datasets.common import DataError, ImageData, TableData, data_folder
from bnkeras.datasets.tables import standardize, stratified_split

__all__ = ["DataError", "ImageData", "TableData", "data_folder", "load", "names", "standardize", "stratified_split"]

_LOADERS = {
    "mnist": mnist.load,
    "digits": digits.load,
    "bng_glass": bng_glass.load,
    "glass_drawn": glass_drawn.load,
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
            stand-in, 1,380 + 417 images, no network), `"bng_glass"` (137,781 rows of 9 features, 7 classes) or
            `"glass_drawn"` (its embedded stand-in, 5,000 drawn rows).

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

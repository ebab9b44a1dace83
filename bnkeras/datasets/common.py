"""What every data set shares: the objects returned, the checks of their arrays, and the folder that holds the files."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnkeras import places

IMAGE_KEYS = ("x_train", "y_train", "x_test", "y_test")


class DataError(ValueError):
    """A data set that is unknown, missing, damaged, or not what it should be. The message is one line."""

    def __init__(self, message):
        line = " ".join(str(message).split())
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in line))


@dataclass(frozen=True, eq=False)
class SplitData:
    """Labelled examples, split for training and test: images as they are stored, or what `prepared` makes of a set.

    Attributes:
        name: the name it was loaded by.
        x_train, x_test: images `[n, height, width]` or `[n, height, width, channels]`, uint8 as stored, float32 as
            prepared; or rows `[n, features]`, float32.
        y_train, y_test: labels, integers `[n]` from 0 to `len(class_names) - 1`.
        class_names: one string a class.
        source: where the data is from and what was taken of it, in words; a stand-in says that it is one.
        sha256: checksum of the stored arrays (see `npz.sha256`), which does not depend on how a file packs them.

    Raises:
        DataError: for arrays that disagree in shape, are empty or not finite, or labels outside the classes.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    sha256: str

    def __post_init__(self):
        for split in ("train", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if x.shape[1:] != self.x_train.shape[1:] or not x.size or x.dtype.kind not in "uif":
                expected = f"numbers (n > 0, {', '.join(map(str, self.x_train.shape[1:]))})"
                raise DataError(f"{self.name}: `x_{split}` must be {expected}. Received: {x.dtype} {x.shape}")
            if x.dtype.kind == "f" and not np.isfinite(x).all():
                raise DataError(f"{self.name}: `x_{split}` must be finite. Received: NaN or infinity")
            check_labels(y, len(self.class_names), f"{self.name}: `y_{split}`", len(x))
            x.flags.writeable = y.flags.writeable = False

    @property
    def arrays(self):
        """`(x_train, y_train, x_test, y_test)`."""
        return self.x_train, self.y_train, self.x_test, self.y_test


@dataclass(frozen=True, eq=False)
class TableData:
    """A table of numeric features with one label a row; see `prepared_table` for a split and its scaling.

    Attributes:
        x, y: features, floats `[n, features]`, and labels, integers `[n]` from 0 to `len(class_names) - 1`.
        feature_names: one string a column.
        name, class_names, source, sha256: see `SplitData`.

    Raises:
        DataError: naming the row and feature of a missing value, a constant feature, or the row of an unknown class.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    sha256: str

    def __post_init__(self):
        check_table(self.x, self.feature_names, f"{self.name}: `x`")
        check_labels(self.y, len(self.class_names), f"{self.name}: `y`, the class,", len(self.x))
        self.x.flags.writeable = self.y.flags.writeable = False


def images(name, shape, class_names, arrays, source, sha256):
    """A `SplitData` of arrays as they are stored, uint8 `[n, *shape]`, and of `class_names` where they hold them."""
    arrays = dict(arrays)
    if "class_names" in arrays:
        class_names = strings(arrays.pop("class_names"), f"{name}: `class_names`")
    for key in ("x_train", "x_test"):
        found = arrays[key]
        if found.dtype != np.uint8 or found.shape[1:] != tuple(shape):
            expected = f"uint8 (n, {', '.join(map(str, shape))})"
            raise DataError(f"{name}: `{key}` must be {expected}. Received: {found.dtype} {found.shape}")
    return SplitData(name=name, class_names=tuple(class_names), source=source, sha256=sha256, **arrays)


def counts(arrays):
    """How many images `arrays` hold, in words."""
    return f"{len(arrays['y_train']):,} + {len(arrays['y_test']):,} images"


def strings(names, what):
    """A row of names as a tuple of strings, or `DataError`."""
    if names.ndim != 1 or names.dtype.kind != "U" or not len(names):
        raise DataError(f"{what} must be one row of text. Received: shape {names.shape}, dtype {names.dtype}")
    return tuple(map(str, names))


def check_table(x, feature_names, what):
    """Raise `DataError` unless `x` is a float `[n > 1, features]` without a missing value or a constant feature."""
    if x.ndim != 2 or x.shape[1] != len(feature_names) or len(x) < 2 or x.dtype.kind != "f":
        raise DataError(f"{what} must be floats (n > 1, {len(feature_names)}). Received: {x.dtype} {x.shape}")
    missing = np.argwhere(~np.isfinite(x))
    if len(missing):
        row, column = missing[0]
        found = f"{x[row, column]} in row {row}, feature {feature_names[column]!r}, the first of {len(missing)}"
        raise DataError(f"{what} must be finite everywhere. Received: {found}")
    for name, column in zip(feature_names, x.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"{what}: a feature must vary. Received: {column[0]} in all rows of feature {name!r}")


def check_labels(y, classes, what, count):
    """Raise `DataError` unless `y` holds `count` integers from 0 to `classes - 1`."""
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{what} must be one row of integers. Received: shape {y.shape}, dtype {y.dtype}")
    if len(y) != count:
        raise DataError(f"{what} must have a label for each of {count} examples. Received: {len(y)} labels")
    rows = np.flatnonzero((y < 0) | (y >= classes))
    if len(rows):
        found = f"{y[rows[0]]} in row {rows[0]}, the first of {len(rows)}"
        raise DataError(f"{what} must lie in 0 to {classes - 1}. Received: {found}")


def check_count(name, value, most=None):
    """Raise `DataError` unless the argument `name` is an integer from 1 to `most`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limits = "a positive integer" if most is None else f"an integer from 1 to {most}"
        raise DataError(f"`{name}` must be {limits}. Received: {name}={value!r}")


def data_folder():
    """Folder of the data files: `$BNKERAS_DATA`, else `data/` of the checkout, else `data/` where Python runs.

    Raises:
        DataError: unless `$BNKERAS_DATA`, where it is set, is a folder that can be read.
    """
    named = os.environ.get("BNKERAS_DATA")
    if named is None:
        return (places.checkout() or Path.cwd()) / "data"
    try:
        folder = Path(named).expanduser()
        usable = bool(named.strip()) and folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    except (OSError, RuntimeError):  # A name too long, `~` of nobody.
        usable = False
    if not usable:
        raise DataError(f"`BNKERAS_DATA` must name a folder that exists and can be read. Received: {named!r}")
    return folder

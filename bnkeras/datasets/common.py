"""What every data set shares: the object returned, the folder searched, checksums, and the atomic cache."""

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IMAGE_KEYS = ("x_train", "y_train", "x_test", "y_test")
# What reading a file that is no whole `.npz` of the expected arrays may raise.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.zlib.error)


class DataError(ValueError):
    """A data set that is unknown, missing, damaged, or not what it should be. The message is one line."""


@dataclass(frozen=True)
class ImageData:
    """A set of labelled images, split for training and test.

    Attributes:
        name: the name it was loaded by.
        x_train, x_test: images, uint8 `[n, height, width]` or `[n, height, width, channels]`.
        y_train, y_test: labels, integers `[n]` from 0 to `len(class_names) - 1`.
        class_names: one string a class.
        source: where the data is from, in words; a stand-in says that it is one.
        sha256: checksum of the four arrays (see `arrays_sha256`), which does not depend on how a file packs them.

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
            check_inputs(x, f"{self.name}: x_{split}", shape=self.x_train.shape[1:])
            check_labels(y, len(self.class_names), f"{self.name}: y_{split}")
            if len(x) != len(y):
                raise DataError(f"{self.name}: x_{split} has {len(x)} images, y_{split} has {len(y)} labels")
            x.flags.writeable = y.flags.writeable = False


@dataclass(frozen=True)
class TableData:
    """A table of numeric features with one label a row; see `bnkeras.datasets.tables` for a split and its scaling.

    Attributes:
        name: the name it was loaded by.
        x: features, floats `[n, features]`.
        y: labels, integers `[n]` from 0 to `len(class_names) - 1`.
        feature_names: one string a column.
        class_names: one string a class.
        source: where the data is from, in words; a stand-in says that it is one.
        sha256: checksum of `x`, `y` and both names (see `arrays_sha256`).

    Raises:
        DataError: naming the row and feature of a missing value, a constant feature, the row of an unknown class, or
            arrays that disagree in shape.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    sha256: str

    def __post_init__(self):
        check_table(self.x, self.feature_names, self.name)
        check_labels(self.y, len(self.class_names), f"{self.name}: y, the class,")
        if len(self.x) != len(self.y):
            raise DataError(f"{self.name}: x has {len(self.x)} rows, y has {len(self.y)} labels")
        self.x.flags.writeable = self.y.flags.writeable = False


def image_data(name, arrays, class_names, source, shape):
    """An `ImageData` of the arrays `IMAGE_KEYS`.

    Raises:
        DataError: unless the images are uint8 `[n, *shape]`, and for what `ImageData` refuses.
    """
    for key in ("x_train", "x_test"):
        found = arrays[key]
        if found.dtype != np.uint8 or found.shape[1:] != tuple(shape):
            expected = f"uint8 (n, {', '.join(map(str, shape))})"
            raise DataError(f"{name}: {key} must be {expected}, got {found.dtype} {found.shape}")
    return ImageData(name=name, class_names=class_names, source=source, sha256=arrays_sha256(arrays), **arrays)


def check_table(x, feature_names, what):
    """Raise `DataError` unless `x` is a float `[n > 1, features]` without a missing value or a constant feature."""
    if x.ndim != 2 or x.shape[1] != len(feature_names) or len(x) < 2 or not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"{what}: x must be floats (n > 1, {len(feature_names)}), got shape {x.shape}, dtype {x.dtype}")
    missing = np.argwhere(~np.isfinite(x))
    if len(missing):
        row, column = missing[0]
        raise DataError(
            f"{what}: row {row} has no value of feature {feature_names[column]!r} (it is {x[row, column]}); "
            f"{len(missing)} values are missing or not finite"
        )
    constant = [name for name, column in zip(feature_names, x.T, strict=True) if column.min() == column.max()]
    if constant:
        raise DataError(f"{what}: feature {constant[0]!r} is constant, {x[0, feature_names.index(constant[0])]}")


def check_inputs(x, what, shape):
    """Raise `DataError` unless `x` is a non-empty numeric `[n, *shape]` without NaN or infinity."""
    if not isinstance(x, np.ndarray) or x.ndim != len(shape) + 1 or x.shape[1:] != tuple(shape) or not len(x):
        raise DataError(f"{what} must have shape (n > 0, {', '.join(map(str, shape))}), got {np.shape(x)}")
    finite = np.issubdtype(x.dtype, np.integer) or (np.issubdtype(x.dtype, np.number) and np.isfinite(x).all())
    if not finite:
        raise DataError(f"{what} must be finite numbers, got dtype {x.dtype} with NaN, infinity or no numbers at all")


def check_labels(y, classes, what):
    """Raise `DataError` unless `y` holds integers from 0 to `classes - 1`, one a row."""
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{what} must be one row of integers, got shape {y.shape} and dtype {y.dtype}")
    rows = np.flatnonzero((y < 0) | (y >= classes))
    if len(rows):
        raise DataError(
            f"{what} must lie in 0 to {classes - 1}, got {y[rows[0]]} ({len(rows)} labels outside, the first in row "
            f"{rows[0]})"
        )


def data_folder():
    """Folder of the data files: `$BNKERAS_DATA`, else `data/` of the repository, else `data/` where Python runs."""
    if os.environ.get("BNKERAS_DATA"):
        return Path(os.environ["BNKERAS_DATA"]).expanduser()
    repository = Path(__file__).resolve().parents[2]
    return repository / "data" if (repository / "pyproject.toml").exists() else Path.cwd() / "data"


def file_sha256(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrays_sha256(arrays):
    """SHA-256 over names, dtypes, shapes and values of `{name: array}`, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array)
    return digest.hexdigest()


def read_npz(path, keys, sha256):
    """Read `keys` of an `.npz` file and check them against `sha256` (of `arrays_sha256`).

    Raises:
        DataError: naming the file and both checksums, when the file is truncated, lacks a key or has other values.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in keys}
    except UNREADABLE as error:
        raise DataError(
            f"{path} can't be read ({error}); expected arrays with SHA-256 {sha256}, "
            f"the file's own is {file_sha256(path)}; delete it or put a whole copy there"
        ) from error
    found = arrays_sha256(arrays)
    if found != sha256:
        raise DataError(f"{path} is not the data set: expected SHA-256 {sha256}, found {found}; it was not used")
    return arrays


def write_npz(path, arrays):
    """Write `arrays` to `path` so that a reader sees either the whole file or none."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", suffix=".npz", delete=False) as file:
        try:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise

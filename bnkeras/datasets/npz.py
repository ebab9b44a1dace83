"""Reading and writing `.npz` files: nothing is built before the headers have been checked, and pickles never."""

import contextlib
import hashlib
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from bnkeras.datasets.common import DataError

# What the arrays of one file may take in memory; all of Tiny ImageNet takes 1.3 GiB.
MAX_BYTES = 4 * 2**30
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(path, keys, optional=()):
    """Read the arrays `keys` of an `.npz` file, and `optional` ones where it has them, in the machine's byte order.

    No regular file or whole archive, an array that is missing, of objects or of another size than its header says, and
    arrays beyond `MAX_BYTES` are a `DataError`.
    """
    try:
        if not path.is_file():
            raise OSError("it is no regular file")
        with zipfile.ZipFile(path) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
            wanted = dict.fromkeys([*keys, *(key for key in optional if key in there)])
            size = sum(_checked_size(archive, key) for key in wanted)
            if size > MAX_BYTES:
                raise ValueError(f"its arrays take {size:,} bytes, more than {MAX_BYTES:,}")
            return {key: _array(archive, key) for key in wanted}
    except Exception as error:  # Damaged archives lead zipfile, zlib and NumPy into exceptions of many kinds.
        checksum = "no SHA-256"
        with contextlib.suppress(OSError):
            checksum = f"SHA-256 {file_sha256(path)}" if path.is_file() else checksum
        reason = f"{error}; {checksum}; it must hold the arrays {', '.join(keys)}"
        raise DataError(f"{path} can't be read: {reason}. Delete it or put a whole copy there") from error


def _checked_size(archive, key):
    """Bytes of an array by its header, checked against what the archive says."""
    with archive.open(f"{key}.npy") as member:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(member)](member)
        declared = archive.getinfo(f"{key}.npy").file_size - member.tell()
    if dtype.kind not in "biufU":
        raise ValueError(f"{key} is of dtype {dtype}")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != declared:
        raise ValueError(f"{key} should take {size:,} bytes by its header {dtype} {shape}, and has {declared:,}")
    return size


def _array(archive, key):
    with archive.open(f"{key}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def write(path, arrays, scratch):
    """Write `arrays` to `path` by way of the folder `scratch` beside it, so that a reader sees a whole file or none."""
    partial = Path(scratch) / path.name
    with open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def sha256(arrays):
    """SHA-256 over names, dtypes, shapes and values of `{name: array}`, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array)
    return digest.hexdigest()


def file_sha256(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

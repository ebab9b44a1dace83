"""Sets cached as `<name>.npz`: the frame of a download, and the stamp that tells a cached download from other files."""

import contextlib
import tempfile

import numpy as np

from bnkeras.datasets import common


@contextlib.contextmanager
def scratch_folder(path, host=None):
    """Yield a folder beside `path` for a download, removed afterwards.

    Args:
        path: the `.npz` file that the download is for.
        host: name of the place that it comes from, for the errors.

    Raises:
        DataError: saying which file to put where, for a folder that is not writable and for whatever fails inside,
            unless that is a `DataError` itself.
    """
    name, where = path.stem, path.parent
    advice = f"put {path.name} into {where} or set BNKERAS_DATA to the folder that holds it"
    try:
        where.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=where, prefix=f".{name}.")
    except OSError as error:
        raise common.DataError(f"{name} can't be cached, {where} is not writable ({error}); {advice}") from error
    with scratch as folder:
        try:
            yield folder
        except common.DataError:
            raise
        except ImportError as error:
            needs = f"{error.name} (pip install {error.name})"
            raise common.DataError(f"{name} is not in {where}, and its download needs {needs}; {advice}") from error
        except Exception as error:
            failed = f"its download{f' from {host}' if host else ''} failed ({error})"
            raise common.DataError(f"{name} is not in {where} and {failed}; {advice}") from error


def get_file(url, file_hash, folder):
    """Path of the file at `url`, downloaded into `folder` and checked against its SHA-256 (or MD5) by Keras."""
    import keras

    return keras.utils.get_file("download", url, file_hash=file_hash, cache_dir=folder, cache_subdir="")


def load_stamped(path, keys, known, title, download, host=None, optional=()):
    """Load the arrays `keys` of `path`, downloading and caching them where the file is missing.

    Args:
        path: the `.npz` file.
        keys: names of the arrays that it must hold.
        known: `{SHA-256: source}` of copies to recognise.
        title: name of the set, for the source of an unknown copy.
        download: function of a scratch folder that returns `(arrays, source)`, the arrays checked.
        host: see `scratch_folder`.
        optional: names of arrays to load too, and to count in the checksum, where the file holds them.

    Returns:
        `(arrays, source, sha256)`. `source` is that of `known`, else what the download was stamped with, else it says
        that the file's origin is unknown.

    Raises:
        DataError: for a download that failed, a file that can't be read, or a cached download that was changed.
    """
    if not path.exists():
        with scratch_folder(path, host) as folder:
            arrays, source = download(folder)
        stamp = {"source": np.array(source), "sha256": np.array(common.arrays_sha256(arrays))}
        common.write_npz(path, {**arrays, **stamp})
    arrays, stamp = _read(path, keys, optional)
    sha256 = common.arrays_sha256(arrays)
    if stamp is not None and sha256 != stamp[1]:
        raise common.DataError(
            f"{path} is not the data that was downloaded: expected SHA-256 {stamp[1]}, found {sha256}; it was not used"
        )
    unknown = f"{title}, a local file of unknown origin (SHA-256 {sha256[:12]})"
    return arrays, known.get(sha256, stamp[0] if stamp else unknown), sha256


def _read(path, keys, optional):
    """The arrays of the file, and what the download wrote beside them: `(source, SHA-256)`, or `None`."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*keys, *(key for key in optional if key in file))}
            stamp = (str(file["source"]), str(file["sha256"])) if "source" in file else None
    except common.UNREADABLE as error:
        raise common.DataError(
            f"{path} can't be read ({error}); it must hold the arrays {', '.join(keys)}; the file's own SHA-256 is "
            f"{common.file_sha256(path)}; delete it or put a whole copy there"
        ) from error
    return arrays, stamp

"""Sets kept as `<name>.npz`: the download of a missing one, and the stamp that tells a download from other files."""

import contextlib
import os
import shutil
import signal
import threading
import urllib.request
from pathlib import Path

import numpy as np

from bnkeras.datasets import npz
from bnkeras.datasets.common import DataError

# Seconds that a host may take to answer, and from one byte to the next.
TIMEOUT = 30
_STAMP = ("source", "sha256")


def load(path, keys, build, known, title, download=None, only=None):
    """Load an `.npz` file, downloading and caching it where it is missing, and return what `build` makes of it.

    Args:
        path: the file, a `Path`.
        keys: names of the arrays that it must hold; it may hold `class_names` too.
        build: function of `(arrays, source, sha256)` that returns the data set, or raises `DataError`.
        known: `{SHA-256: source}` of copies to recognise.
        title: name of the set, for the source of a copy that is neither known nor stamped by a download.
        download: function of a scratch folder that returns `(arrays, source)`; `None`: there is no public source.
        only: the one SHA-256 to accept, if not any.
    """
    if not os.path.lexists(path):
        _provide(path, build, download)
    arrays = npz.read(path, keys, ("class_names", *_STAMP))
    stamp = _take_stamp(arrays, path)
    sha256 = npz.sha256(arrays)
    source, expected = stamp or (f"{title}, a local file of unknown origin (SHA-256 {sha256[:12]})", sha256)
    expected = only or expected
    if sha256 != expected:
        raise DataError(f"{path} is not the data set: expected SHA-256 {expected}, found {sha256}; it was not used")
    return build(arrays, known.get(sha256, source), sha256)


def _take_stamp(arrays, path):
    """Take what a download wrote beside its arrays out of them: `(source, SHA-256)`, empty in any other file."""
    stamp = [arrays.pop(key) for key in _STAMP if key in arrays]
    if [(item.ndim, item.dtype.kind) for item in stamp] not in ([], [(0, "U")] * 2):
        raise DataError(f"{path}: `source` and `sha256` must be two texts, as a download writes them, or missing")
    return tuple(map(str, stamp))


def _provide(path, build, download):
    if download is None:
        raise DataError(f"{path.stem} is not in {path.parent}, and has no public source; {_advice(path)}")
    with _scratch_folder(path) as folder:
        if not os.path.lexists(path):  # Another process may have been faster.
            arrays, source = download(folder)
            sha256 = npz.sha256(arrays)
            build(arrays, source, sha256)
            npz.write(path, {**arrays, "source": np.array(source), "sha256": np.array(sha256)}, folder)


def _advice(path):
    return f"put {path.name} into {path.parent} or set BNKERAS_DATA to the folder that holds it"


@contextlib.contextmanager
def _scratch_folder(path):
    """Yield a folder beside `path` for its download, one process at a time, removed afterwards.

    Whatever fails becomes a `DataError` that says which file to put where.
    """
    from filelock import FileLock

    name, where = path.stem, path.parent
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signals_as_exceptions())
        try:
            where.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(where / f".{name}.lock"))
            for left in where.glob(f".{name}.download-*"):  # By a process that was killed.
                shutil.rmtree(left, ignore_errors=True)
            folder = where / f".{name}.download-{os.getpid()}"
            stack.callback(shutil.rmtree, folder, ignore_errors=True)  # before it is made: a signal may come between
            folder.mkdir()
        except OSError as error:
            raise DataError(f"{name} can't be cached, {where} is not writable ({error}); {_advice(path)}") from error
        try:
            yield folder
        except DataError:
            raise
        except Exception as error:
            missing = isinstance(error, ImportError) and error.name
            reason = f"needs {missing} (pip install {missing})" if missing else f"failed ({error})"
            raise DataError(f"{name} is not in {where}, and its download {reason}; {_advice(path)}") from error


@contextlib.contextmanager
def _signals_as_exceptions():
    """Let TERM and HUP, where they would end the process at once, raise, so that what is half done is removed."""

    def stop(number, frame):
        raise SystemExit(128 + number)

    in_main = threading.current_thread() is threading.main_thread()
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if in_main and hasattr(signal, name)]
    old = {number: signal.signal(number, stop) for number in ends if signal.getsignal(number) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def fetch(url, sha256, folder):
    """Path of the file at `url`, downloaded into `folder` and checked against its SHA-256."""
    from tqdm import tqdm

    path = Path(folder, url.rsplit("/", 1)[-1])
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, open(path, "wb") as file:
        size = int(response.headers.get("Content-Length") or 0) or None
        with tqdm.wrapattr(file, "write", total=size, desc=path.name, unit="B", unit_scale=True, leave=False) as sink:
            shutil.copyfileobj(response, sink, 2**20)
    found = npz.file_sha256(path)
    if found != sha256:
        raise ValueError(f"{url} gave {path.stat().st_size:,} bytes with SHA-256 {found}; expected {sha256}")
    return path

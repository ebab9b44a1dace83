"""Records on disk: one JSON file a run, written atomically, and a claim on each run in progress."""

import errno
import os
import tempfile
import threading
import warnings
from pathlib import Path

from bnkeras.sweep.jsonable import decode, encode
from bnkeras.sweep.keys import folder_name

try:
    import fcntl
except ImportError:  # Windows: sweeps must not share a folder there
    fcntl = None

_RESERVE = 1 << 20  # bytes kept back for the record at hand when the disk runs full
_lock_files = {}  # closing any descriptor of a file drops the process's locks on it, so these stay open
_claimed = {}  # path of a record -> the store that has it
_guard = threading.Lock()


class Store:
    """The records of some runs below a folder, at `out/<study>/<key>.json`.

    Args:
        out: str or path. Made when missing.
        runs: dict from key to run.

    Raises:
        OSError: a folder cannot be made or written, or its disk is full.
    """

    def __init__(self, out, runs):
        self._paths = {key: Path(out).absolute() / folder_name(run) / f"{key}.json" for key, run in runs.items()}
        self._reserve = None
        for folder in {path.parent for path in self._paths.values()}:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._free()
                self._reserve = _filled_file(folder)
            except OSError as error:
                raise OSError(error.errno, f"out: cannot write records in {str(folder)!r}: {error.strerror}") from error

    def load(self, key):
        """Returns the record of a key, or None where there is none that can be read."""
        try:
            record = decode(self._paths[key].read_text(encoding="utf-8"))
            return {**record, "settings": {name: _tuples(value) for name, value in record["settings"].items()}}
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            warnings.warn(f"{self._paths[key]} is no valid record; its run is trained again", stacklevel=2)
            return None

    def save(self, key, record):
        """Writes a record so that a reader sees all of it or none, and returns it as `load` would."""
        path = self._paths[key]
        text = encode(record, indent=1)
        try:
            _replace(path, text)
        except OSError as error:
            self._free()
            _replace(path, text)
            raise OSError(
                error.errno, f"the sweep stopped: {error.strerror}. What finished is in {path.parent}; run it again"
            ) from error
        return self.load(key)

    def claim(self, key):
        """Claims a run for this sweep; False where another sweep, in any process, has it. Dies with the process."""
        path = self._paths[key]
        with _guard:
            if path in _claimed or not _lock(path, lock=True):
                return False
            _claimed[path] = self
            return True

    def release(self, key):
        """Gives a claim back."""
        with _guard:
            self._release(self._paths[key])

    def close(self):
        """Gives back all claims, and the reserved disk space."""
        self._free()
        with _guard:
            for path in [path for path, owner in _claimed.items() if owner is self]:
                self._release(path)

    def _release(self, path):
        if _claimed.pop(path, None):
            _lock(path, lock=False)

    def _free(self):
        if self._reserve:
            self._reserve.close()


def _lock(path, lock):
    """Locks or unlocks one byte, at the place the key says, of the folder's lock file; False where another has it."""
    if fcntl is None:
        return True
    file = _lock_files.get(path.parent)
    if file is None:
        file = _lock_files[path.parent] = open(path.parent / ".lock", "a+b")  # noqa: SIM115
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB if lock else fcntl.LOCK_UN, 1, int(path.stem[:15], 16))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        warnings.warn(f"{path.parent} knows no locks ({error}); let no two sweeps share it", stacklevel=2)
    return True


def _replace(path, text):
    part = path.with_suffix(".tmp")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _filled_file(folder):
    """Returns a nameless file of `_RESERVE` bytes, which vanishes when closed, however the process ends."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    try:
        file.write(b"\0" * _RESERVE)
        file.flush()
        os.fsync(file.fileno())
    except OSError:
        file.close()
        raise
    return file


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value

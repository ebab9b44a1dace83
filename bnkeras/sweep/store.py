"""Records on disk: one file a run, written atomically, and a claim on each run in progress."""

import contextlib
import os
import tempfile
import uuid
import warnings
from pathlib import Path

from bnkeras.sweep.records import decode, encode

_RESERVE = 1 << 20  # bytes kept back for the records at hand when the disk runs full


class Store:
    """The records of `tasks`, a dict from key to `(run, head)`, below a folder, at `out/<study>/<key>.json`."""

    def __init__(self, out, tasks):
        self._out, self._claims = Path(out).absolute(), {}
        self._tasks = tasks
        with _explained(f"`out`: cannot write records in {str(self._out)!r}"):
            for folder in {self._path(key).parent for key in tasks} | {self._out}:
                folder.mkdir(parents=True, exist_ok=True)
            self._reserve = _filled_file(self._out)

    def load(self, key):
        """Returns the record of a key; None where there is none, or with a warning where it is not what was written."""
        path = self._path(key)
        try:
            if path.exists() and not path.is_file():
                raise ValueError("is no file")
            return decode(path.read_text(encoding="utf-8"), self._tasks[key][1])
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            warnings.warn(f"{path} {error}; its run is trained again", stacklevel=2)
            return None

    def save(self, record):
        """Writes a record so that a reader sees all of it or none."""
        path, text = self._path(record["key"]), encode(record)
        with self._stopping():
            try:
                _replace(path, text)
            except OSError:
                self._reserve.close()
                _replace(path, text)
                raise

    def claim(self, key):
        """Claims a run for this sweep; False where another sweep, in any process, has it. Dies with the process."""
        from filelock import FileLock, Timeout

        lock = FileLock(self._path(key).with_suffix(".lock"))
        with self._stopping(), contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            self._claims[key] = lock
        return key in self._claims

    def release(self, key):
        """Gives a claim back."""
        lock = self._claims.pop(key)
        with contextlib.suppress(OSError):  # who waits for the lock notices that its file is gone
            os.unlink(lock.lock_file)
        lock.release()

    def close(self):
        """Gives back all claims, and the reserved disk space."""
        self._reserve.close()
        for key in list(self._claims):
            self.release(key)

    def _path(self, key):
        run, _ = self._tasks[key]
        return self._out / getattr(run, "study", type(run).__name__) / f"{key}.json"

    def _stopping(self):
        return _explained(f"the sweep stopped; what finished is in {str(self._out)!r}, run it again")


@contextlib.contextmanager
def _explained(words):
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{words}: {error}") from error


def _replace(path, text):
    """Writes through a new file, never through a link that lies where the new file is to be."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(part, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_suffix(f".{uuid.uuid4().hex[:8]}"))
    os.replace(part, path)


def _filled_file(folder):
    """Returns a nameless file of `_RESERVE` bytes, which vanishes when closed, however the process ends."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    try:
        file.write(bytes(_RESERVE))
        file.flush()
        os.fsync(file.fileno())
    except OSError:
        file.close()
        raise
    return file

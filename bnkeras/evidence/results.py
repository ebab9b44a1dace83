"""Published results: tidy CSV tables of a study at a scale, with a JSON file beside them that says how they came about.

The tables of a scale lie in `<study>/<scale>/<table>.csv`, and `about.json` in the same folder holds their checksums.
A wheel has a copy of what the project has published; what is published beside an installed wheel goes before it.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock

from bnkeras import places
from bnkeras.datasets.common import data_folder

SCALES = ("quick", "laptop", "paper")
_READS = 100  # attempts to read what is published meanwhile
_ABOUT, _LOCK = "about.json", ".lock"
_OLD, _NEW = ".old", ".new"


class ResultsError(ValueError):
    """Published results that are missing, damaged or edited. The message is one line and names the file."""


@dataclass(frozen=True)
class Results:
    """Results of one study at one scale.

    Attributes:
        study: Name of the study.
        scale: `"quick"`, `"laptop"` or `"paper"`.
        tables: `{name: DataFrame}`; `"epochs"` has a row per checkpoint of a run, with every setting as a column.
        about: Versions, device, data sources with checksums, date and seconds of the runs; empty where not published.
    """

    study: str
    scale: str
    tables: dict
    about: dict


def folder():
    """Folder that results are published in: the checkout's `data/results`, else `results` in the data folder."""
    root = places.checkout()
    return (root / "data" if root else data_folder()) / "results"


def folders(source=None):
    """Folders that results are read from, the one that goes before first: `source`, or that of what is published."""
    if source is not None:
        return [Path(source)]
    return [folder()] if places.checkout() else [folder(), places.shipped("data/results")]


def protocol(started):
    """Commit and date of the `protocol.md` that was in force at a time, or `None` where there is no such history.

    Args:
        started: ISO 8601 time, when the first of some runs began.
    """
    if not places.checkout():
        return None
    command = ["git", "log", "-1", f"--before={started}", "--format=%H %cI", "--", "protocol.md"]
    try:
        done = subprocess.run(command, cwd=places.checkout(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return dict(zip(("commit", "date"), done.stdout.split(), strict=False)) or None


def publish(results, into=None):
    """Write a study's results at a scale, in place of those that are there, all or nothing.

    Args:
        results: A `Results`.
        into: Folder to write to. Defaults to `folder()`.

    Returns:
        The paths written.

    Raises:
        OSError: The folder cannot be written, or the disk is full; the results that were there stay as they were.
    """
    with _locked(Path(into or folder()) / results.study) as study:
        _clean(study, results.scale)
        scratch = study / f".{results.scale}{_NEW}"
        try:
            _write(scratch, results)
            return _put_in_place(scratch, study / results.scale)
        finally:
            _remove(scratch)


def check_writable(study, into=None):
    """Raise `OSError` where `publish` could not write results of a study, before any of its runs is trained.

    Args:
        study: Name of the study.
        into: Folder to write to. Defaults to `folder()`.
    """
    with _locked(Path(into or folder()) / study) as place:
        tempfile.TemporaryFile(dir=place).close()


@contextlib.contextmanager
def _locked(study):
    """Make the folder of a study and keep other publications out of it; what cannot be written is explained."""
    try:
        study.mkdir(parents=True, exist_ok=True)
        with FileLock(study / _LOCK):
            yield study
    except OSError as error:
        raise OSError(f"results can't be published in {study}: {error.strerror}") from error


def _clean(study, scale):
    """Set right what a publication that was killed has left."""
    old = study / f".{scale}{_OLD}"
    if os.path.lexists(old) and not os.path.lexists(study / scale):
        old.rename(study / scale)
    for left in (old, study / f".{scale}{_NEW}"):
        _remove(left)


def _remove(path):
    """Remove a folder, a file or a link, never what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _write(into, results):
    into.mkdir()
    checksums = {}
    for name, table in results.tables.items():
        text = table.to_csv(index=False, float_format="%.7g", lineterminator="\n")
        checksums[f"{name}.csv"] = _write_file(into / f"{name}.csv", text)
    about = {"study": results.study, "scale": results.scale, **results.about, "files": checksums}
    _write_file(into / _ABOUT, json.dumps({**about, "sha256": _sha256_of(about)}, indent=2) + "\n")


def _write_file(path, text):
    """Write a file to the disk itself, and return its SHA-256."""
    content = text.encode()
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _put_in_place(scratch, target):
    old = target.with_name(f".{target.name}{_OLD}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    scratch.rename(target)
    _remove(old)
    return sorted(target.iterdir())


def scales(study, source=None):
    """Scales that a study has published results of, damaged ones included, smallest first.

    Raises:
        ResultsError: The study's folder cannot be read.
    """
    there = set()
    for place in folders(source):
        there |= _names(place / study)
    return [scale for scale in SCALES if {scale, f".{scale}{_OLD}"} & there]


def _names(place):
    """Names of what is in a folder, none where there is no such folder."""
    try:
        return {*os.listdir(place)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ResultsError(f"{place} can't be read ({error.strerror})") from error


def read(study, scale=None, source=None):
    """Read a study's published results.

    Args:
        study: Name of the study.
        scale: Which scale. Defaults to `None`, the largest there is.
        source: Folder to read from. Defaults to `None`, `folders()`.

    Returns:
        A `Results`.

    Raises:
        ResultsError: The study has no published results of that scale, or a file of them is missing, unreadable or not
            what was published.
    """
    found = scales(study, source)
    if not found or scale not in (None, *found):
        first = folders(source)[0] / study
        raise ResultsError(f"{first} has no results. Received: scale={scale!r}; published are {found}")
    scale = scale or found[-1]
    source = next(place for place in folders(source) if scale in scales(study, place))
    for _ in range(_READS):
        place = _place(source / study, scale)
        identity = _identity(place)
        try:
            about, files = _read_about(place / _ABOUT, study, scale)
            return Results(study, scale, _read_tables(place, files), about)
        except (ResultsError, OSError) as error:
            problem = error if isinstance(error, ResultsError) else ResultsError(str(error))
            if identity is not None and identity == _identity(_place(source / study, scale)):
                break  # else it was published anew while it was read
    raise problem


def _place(study, scale):
    """The folder of a scale, also where a publication was killed after it had put the old one aside."""
    old = study / f".{scale}{_OLD}"
    return old if old.is_dir() and not os.path.lexists(study / scale) else study / scale


def _identity(place):
    """What tells a folder from others that have, or had, its name or its place on the disk; `None` without one."""
    with contextlib.suppress(OSError):
        stat = place.stat()
        return place, stat.st_ino, stat.st_ctime_ns


def _read_about(path, study, scale):
    """What is known of the results of a scale, and the checksums of their files."""
    content = _content(path)
    try:
        about = json.loads(content.decode())
        if not isinstance(about, dict):
            raise ValueError("it is no JSON object")
        if about.pop("sha256") != _sha256_of(about):
            raise ValueError("it was changed after it was written: its checksum is another")
        of = about.pop("study"), about.pop("scale")
        if of != (study, scale):
            raise ValueError(f"it is of study {of[0]!r}, scale {of[1]!r}")
        files = dict(about.pop("files"))
        if "epochs.csv" not in files or not all(Path(name).name == name for name in files):
            raise ValueError(f"`files` must name tables, epochs.csv among them: {', '.join(files)}")
        return about, files
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else error
        raise ResultsError(f"{path} is no description of published results ({reason})") from error


def _read_tables(place, files):
    for path in sorted(place.glob("*.csv")):
        if path.name not in files:
            raise ResultsError(f"{path} is none of the tables that were published: {', '.join(files)}")
    return {Path(name).stem: _read_table(place / name, sha256) for name, sha256 in files.items()}


def _read_table(path, expected):
    content = _content(path)
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ResultsError(f"{path} is not what was published: expected SHA-256 {expected}, found {found}")
    try:
        # A table that no run has a row of has no columns; there are no results without epochs.
        empty = not content.strip() and path.name != "epochs.csv"
        return pd.DataFrame() if empty else pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise ResultsError(f"{path} is no table ({error})") from error


def _content(path):
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no regular file")  # which may have no end
        return path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path} can't be read ({error.strerror or error})") from error


def _sha256_of(about):
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

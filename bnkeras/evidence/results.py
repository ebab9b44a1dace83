"""Published results: tidy CSV tables of a study at a scale, with a JSON file beside them that says how they came about.

The tables of a scale lie in `<study>/<scale>/<table>.csv`, and `about.json` in the same folder holds their checksums.
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock

from bnkeras.datasets.common import data_folder

SCALES = ("quick", "laptop", "paper")
_REPOSITORY = Path(__file__).resolve().parents[2]
_ABOUT = "about.json"
_OLD = ".old"


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
    """Folder of the published results: the repository's `data/results`, else `results` in the data folder."""
    return (_REPOSITORY / "data" if (_REPOSITORY / "pyproject.toml").exists() else data_folder()) / "results"


def protocol(started):
    """Commit and date of the `protocol.md` that was in force at a time, or `None` where there is no such history.

    Args:
        started: ISO 8601 time, when the first of some runs began.
    """
    command = ["git", "log", "-1", f"--before={started}", "--format=%H %cI", "--", "protocol.md"]
    try:
        done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=True)
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
    study = Path(into or folder()) / results.study
    study.mkdir(parents=True, exist_ok=True)
    with FileLock(study / ".lock"):
        _clean(study, results.scale)
        scratch = Path(tempfile.mkdtemp(dir=study, prefix=f".{results.scale}."))
        try:
            _write(scratch, results)
            return _put_in_place(scratch, study / results.scale)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _clean(study, scale):
    """Set right what a publication that was killed has left."""
    old = study / f".{scale}{_OLD}"
    if old.exists() and not (study / scale).exists():
        old.rename(study / scale)
    for left in study.glob(f".{scale}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _write(into, results):
    checksums = {}
    for name, table in results.tables.items():
        path = into / f"{name}.csv"
        path.write_text(table.to_csv(index=False, float_format="%.7g", lineterminator="\n"), encoding="utf-8")
        checksums[path.name] = _sha256(path)
    about = {**results.about, "files": checksums}
    about = json.dumps({**about, "sha256": _sha256_of(about)}, indent=2)
    (into / _ABOUT).write_text(about + "\n", encoding="utf-8")
    into.chmod(0o755)


def _put_in_place(scratch, target):
    old = target.with_name(f".{target.name}{_OLD}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    scratch.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return sorted(target.iterdir())


def scales(study, source=None):
    """Scales that a study has published results of, smallest first."""
    return [scale for scale in SCALES if _place(Path(source or folder()) / study, scale).is_dir()]


def _place(study, scale):
    """The folder of a scale, also where a publication was killed after it had put the old one aside."""
    old = study / f".{scale}{_OLD}"
    return old if old.is_dir() and not (study / scale).exists() else study / scale


def read(study, scale=None, source=None):
    """Read a study's published results.

    Args:
        study: Name of the study.
        scale: Which scale. Defaults to `None`, the largest there is.
        source: Folder to read from. Defaults to `folder()`.

    Returns:
        A `Results`.

    Raises:
        ResultsError: The study has no published results of that scale, or a file of them is missing, unreadable or not
            what was published.
    """
    source = Path(source or folder())
    found = scales(study, source)
    if not found or scale not in (None, *found):
        raise ResultsError(f"{source / study} has no results. Received: scale={scale!r}; published are {found}")
    scale = scale or found[-1]
    place = _place(source / study, scale)
    about = _read_about(place / _ABOUT)
    tables = {}
    for name, sha256 in about.pop("files").items():
        path = place / name
        if _sha256(path) != sha256:
            raise ResultsError(f"{path} is not what was published: expected SHA-256 {sha256}, found {_sha256(path)}")
        tables[path.stem] = pd.read_csv(path)
    return Results(study, scale, tables, about)


def _read_about(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.pop("sha256") != _sha256_of(about) or "epochs.csv" not in about["files"]:
            raise ValueError("it is not what was published")
        return about
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path} is no description of published results ({error})") from error


def _sha256_of(about):
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _sha256(path):
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ResultsError(f"{path} can't be read ({error.strerror})") from error

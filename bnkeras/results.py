"""Published results: tidy CSV tables of a study with a JSON file beside them that says how they came about."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnkeras.datasets.common import data_folder

SCALES = ("quick", "laptop", "paper")
_REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Results:
    """Results of one study at one scale.

    Attributes:
        study: name of the study.
        scale: `"quick"`, `"laptop"` or `"paper"`.
        tables: `{name: DataFrame}`; `"epochs"` has a row per run and epoch and every setting as a column.
        about: versions, device, data sources with checksums, date and seconds of the run.
    """

    study: str
    scale: str
    tables: dict
    about: dict


def folder():
    """Folder of the published results: the repository's `data/results`, else `results` in the data folder."""
    return (_REPOSITORY / "data" if (_REPOSITORY / "pyproject.toml").exists() else data_folder()) / "results"


def publish(results, into=None):
    """Write a study's results, replacing those of the same scale and keeping those of the others.

    The table `"epochs"` becomes `<study>.csv`, any other table `<study>.<table>.csv`, and `about` an entry under the
    scale's name in `<study>.json`. Each file is replaced atomically.

    Args:
        results: a `Results`.
        into: folder to write to; default `folder()`.

    Returns:
        The paths written.
    """
    into = Path(into) if into else folder()
    into.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in results.tables.items():
        path = _table_path(into, results.study, name)
        table = table.assign(scale=results.scale)
        if path.exists():
            old = pd.read_csv(path)
            table = pd.concat([old[old.scale != results.scale], table], ignore_index=True)
        _write(path, table.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
        paths.append(path)
    path = into / f"{results.study}.json"
    about = json.loads(path.read_text()) if path.exists() else {}
    _write(path, json.dumps({**about, results.scale: results.about}, indent=2) + "\n")
    return [*paths, path]


def scales(study, source=None):
    """Scales that a study has published results of, smallest first."""
    path = (Path(source) if source else folder()) / f"{study}.json"
    about = json.loads(path.read_text()) if path.exists() else {}
    return [scale for scale in SCALES if scale in about]


def read(study, scale=None, source=None):
    """Read a study's published results.

    Args:
        study: name of the study.
        scale: which scale; default the largest there is.
        source: folder to read from; default `folder()`.

    Returns:
        A `Results`.

    Raises:
        FileNotFoundError: where the study has no published results of that scale.
    """
    source = Path(source) if source else folder()
    published = scales(study, source)
    if not published or scale not in (None, *published):
        raise FileNotFoundError(f"{source} has no results of {study!r} at scale {scale or 'any'!r}, only {published}")
    scale = scale or published[-1]
    about = json.loads((source / f"{study}.json").read_text())[scale]
    tables = {}
    for path in sorted(source.glob(f"{study}*.csv")):
        name = path.name.removeprefix(study).removesuffix(".csv").strip(".") or "epochs"
        if path == _table_path(source, study, name):
            table = pd.read_csv(path)
            tables[name] = table[table.scale == scale].reset_index(drop=True)
    return Results(study, scale, tables, about)


def _table_path(into, study, name):
    return into / (f"{study}.csv" if name == "epochs" else f"{study}.{name}.csv")


def _write(path, text):
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    os.replace(scratch, path)

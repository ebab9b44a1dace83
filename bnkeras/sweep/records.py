"""One run trained, its record, the record's text on disk, and the check that it is what was written."""

import hashlib
import json
import math
import time
import traceback
from datetime import UTC, datetime

from bnkeras.sweep.environment import environment
from bnkeras.sweep.keys import data_sha256

_FIELDS = {"key", "run", "settings", "data_sha256", "status", "error", "tables", "scalars", "environment", "seconds"}
_FIELDS |= {"started", "sha256"}


def execute(run, head):
    """Trains a run, in whichever process this is, and returns its record, of status "failed" where it raised.

    It is refused where its data set has another checksum in this process than `head`, the record's, says.
    """
    started, begin = now(), time.perf_counter()
    values, error = {}, None
    try:
        found, expected = data_sha256(run), head["data_sha256"]
        if found != expected:
            raise ValueError(f"data set {run.data!r} has SHA-256 {found} here, {expected} where the sweep was started")
        values = plain(run.train())
    except (Exception, SystemExit) as exception:
        error = _described(exception)
    return _record(head, values, error, environment(), time.perf_counter() - begin, started)


def failed(head, exception):
    """Returns the record of a run whose worker never answered."""
    return _record(head, {}, _described(exception), {}, None, now())


def _record(head, values, error, environment, seconds, started):
    tables = {name: value for name, value in values.items() if isinstance(value, list)}
    scalars = {name: value for name, value in values.items() if name not in tables}
    status = "failed" if error else "diverged" if _diverged(tables["epochs"]) else "finished"
    result = {"status": status, "error": error, "tables": tables, "scalars": scalars}
    return {**head, **result, "environment": environment, "seconds": seconds, "started": started}


def now():
    """Returns the time, UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _described(exception):
    frames = traceback.format_exception(exception)
    return {"type": type(exception).__name__, "message": str(exception), "traceback": "".join(frames[-6:])}


def _diverged(rows):
    return any(isinstance(value, float) and not math.isfinite(value) for row in rows for value in row.values())


def plain(values):
    """Returns what `train` gave as lists of flat rows and scalars, numbers of any array library as Python's."""
    if not isinstance(values, dict) or not isinstance(values.get("epochs"), (list, tuple)):
        received = list(values) if isinstance(values, dict) else values
        raise TypeError(f"`train` must return a dict with a list of rows under 'epochs'. Received: {received!r}")
    result = {}
    for name, value in values.items():
        is_table = isinstance(value, (list, tuple))
        result[name] = [_row(row, name) for row in value] if is_table else _scalar(value, name, "`train`'s dict")
    return result


def _row(row, table):
    if not isinstance(row, dict):
        raise TypeError(f"tables must be lists of dicts. Received in {table!r}: {row!r}")
    return {name: _scalar(value, name, repr(table)) for name, value in row.items()}


def _scalar(value, name, where):
    if getattr(value, "shape", None) == ():
        import numpy as np

        value = np.asarray(value).item()
    if isinstance(name, str) and (value is None or isinstance(value, (str, int, float))):
        return value
    kind = type(value).__name__
    raise TypeError(f"{where} must map names to a str, int, float, bool or None. Received: {name}={value!r} ({kind})")


def encode(record):
    """Returns a record as one line of JSON with a checksum of its content, `sha256`, at the end.

    Floats that are not finite are written `NaN`, `Infinity` and `-Infinity`, which Python, pandas and JSON5 read but
    strict JSON does not know.
    """
    text = json.dumps(record)
    return f'{text[:-1]}, "sha256": "{_checksum(text)}"}}\n'


def decode(text, head):
    """Returns the record that `encode` was given; raises ValueError where it is not that of `head`'s run, unchanged."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON ({error})") from None
    wrong = _FIELDS ^ record.keys() if isinstance(record, dict) else _FIELDS
    if wrong:
        raise ValueError(f"lacks or adds fields: {', '.join(sorted(wrong))}")
    for name, value in json.loads(json.dumps(head)).items():
        if record[name] != value:
            raise ValueError(f"is the record of another run: its `{name}` is {record[name]!r}, not {value!r}")
    if record["status"] not in ("finished", "diverged", "failed"):
        raise ValueError(f"has an unknown status: {record['status']!r}")
    if record.pop("sha256") != _checksum(json.dumps(record)):
        raise ValueError("was changed after it was written: its checksum is another")
    try:
        plain({"epochs": []} | record["tables"] | record["scalars"])
    except TypeError as error:
        raise ValueError(f"holds what no run returns ({error})") from None
    return {**record, **head}


def _checksum(text):
    return hashlib.sha256(text.encode()).hexdigest()

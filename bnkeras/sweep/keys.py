"""What makes a run a run: frozen settings, a `train` method, and a key of class, settings and data."""

import dataclasses
import hashlib
import json
import math
import os
import pickle
import sys


def settings(run):
    """Returns the fields of a run as a dict, in their order."""
    return {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}


def data_sha256(run):
    """Returns the checksum of the data set that a setting `data` names, as it is loaded here; None if it names none."""
    name = settings(run).get("data")
    if not isinstance(name, str):
        return None
    from bnkeras import datasets

    return datasets.load(name).sha256 if name in datasets.names() else None


def keyed(runs):
    """Checks runs and returns, in their order, a dict from key to `(run, head)`.

    The head is the first part of a record: `key`, `run` (its class), `settings` and `data_sha256`. A key is 20
    hexadecimal digits of the SHA-256 of the other three.
    """
    runs, result = list(runs), {}
    for run in runs:
        _check(run)
    for run in runs:
        head = {"run": _class_name(type(run)), "settings": settings(run), "data_sha256": data_sha256(run)}
        key = hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()[:20]
        result[key] = run, {"key": key, **head}
    if len({*runs}) < len(runs) or len(result) < len(runs):
        twice = next(run for run in runs if runs.count(run) > 1)
        raise ValueError(f"each run must appear once, 1 and 1.0 being the same. Received twice: {twice!r}")
    return result


def _class_name(cls):
    """Returns `module.Class`; a module started with `python -m` keeps its own name."""
    spec = getattr(sys.modules.get(cls.__module__), "__spec__", None)
    return f"{spec.name if spec else cls.__module__}.{cls.__qualname__}"


def _check(run):
    if not dataclasses.is_dataclass(run) or isinstance(run, type) or not callable(getattr(run, "train", None)):
        raise TypeError(f"a run must be an instance of a dataclass with a `train` method. Received: {run!r}")
    if not run.__dataclass_params__.frozen:
        raise TypeError(f"a run's class must be frozen: @dataclass(frozen=True) class {type(run).__name__}")
    for name, value in settings(run).items():
        _check_setting(value, f"{type(run).__name__}.{name}")


def _check_setting(value, name):
    if isinstance(value, tuple):
        for item in value:
            _check_setting(item, name)
    elif value is not None and not isinstance(value, (str, int, float)):
        allowed, kind = "a str, int, float, bool, None or a tuple of these", type(value).__name__
        raise TypeError(f"a run's setting must be {allowed}. Received: {name}={value!r} ({kind})")
    elif isinstance(value, float) and math.isnan(value):
        raise ValueError(f"a run's setting must not be NaN. Received: {name}={value!r}")


def check_spawnable(runs):
    """Raises where a new process could not load the runs: a class from a notebook, from a function, from stdin."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    missing = path and not main.__spec__ and not os.path.exists(path)
    if missing or (not path and any(type(run).__module__ == "__main__" for run in runs)):
        where = f"the main script {path!r}" if path else "a class that is defined in a notebook or at the prompt"
        raise ValueError(
            f"worker processes cannot load {where}: define runs in a module file and import it, or use jobs=0 to train "
            "in this process"
        )
    try:
        pickle.dumps(runs)
    except Exception as error:
        raise TypeError(f"runs must pickle; define their class at the top of a module: {error}") from error

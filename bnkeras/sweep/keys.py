"""What makes a run a run: frozen settings, a `train` method, and a key of the settings."""

import dataclasses
import hashlib
import math
import os
import pickle
import sys

from bnkeras.sweep.jsonable import encode


def settings(run):
    """Returns the fields of a run as a dict, in their order."""
    return {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}


def run_name(run):
    """Returns `module.Class` of a run; a module started with `python -m` keeps its own name."""
    cls = type(run)
    module = cls.__module__
    if module == "__main__":
        module = getattr(sys.modules[module].__spec__, "name", module)
    return f"{module}.{cls.__qualname__}"


def folder_name(run):
    """Returns the name of the folder that holds the records of a run: its `study`, else its class."""
    return getattr(run, "study", None) or type(run).__name__


def run_key(run):
    """Returns the key of a run: 20 hexadecimal digits of the SHA-256 of its class and canonical settings."""
    text = encode([run_name(run), settings(run)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def keyed(runs):
    """Checks runs and returns them as `{key: run}` in their order.

    Raises:
        TypeError: an item is no frozen, hashable dataclass instance with a `train` method, or has a setting that is
            not a str, int, float, bool, None or a tuple of these.
        ValueError: a setting is NaN, which equals no key, or two runs are the same.
    """
    result = {}
    for run in runs:
        _check(run)
        if result.setdefault(run_key(run), run) is not run:
            raise ValueError(f"duplicate run, each must appear once: {run!r}")
    if len(set(result.values())) < len(result):
        raise ValueError("duplicate runs: two runs are equal and differ only in a setting's type, such as 1 and 1.0")
    return result


def _check(run):
    if not dataclasses.is_dataclass(run) or isinstance(run, type) or not callable(getattr(run, "train", None)):
        raise TypeError(f"a run must be an instance of a dataclass with a `train` method, got {run!r}")
    if not run.__dataclass_params__.frozen:
        raise TypeError(f"a run's class must be frozen: @dataclass(frozen=True) class {type(run).__name__}")
    for name, value in settings(run).items():
        _check_setting(value, name, run)
    try:
        hash(run)
    except TypeError as error:
        raise TypeError(f"a run must be hashable, got {run!r}: {error}") from None


def _check_setting(value, name, run):
    if isinstance(value, tuple):
        for item in value:
            _check_setting(item, name, run)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise TypeError(
            f"setting `{name}` of {type(run).__name__} must be a str, int, float, bool, None or a tuple of these, "
            f"got {value!r} of type {type(value).__name__}"
        )
    elif isinstance(value, float) and math.isnan(value):
        raise ValueError(f"setting `{name}` of {type(run).__name__} must not be NaN")


def check_spawnable(runs):
    """Raises where a new process could not load the runs: a class from a notebook, from a function, from stdin."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path and not main.__spec__ and not os.path.exists(path):
        raise ValueError(f"worker processes cannot load the main script {path!r}: run it from a file, or use jobs=0")
    for cls in {type(run) for run in runs}:
        if cls.__module__ == "__main__" and not path:
            raise ValueError(
                f"worker processes cannot load {cls.__name__}, which is defined in a notebook or at the prompt: define "
                "it in a module file and import it, or use jobs=0 to train in this process"
            )
    try:
        pickle.dumps(list(runs))
    except Exception as error:
        raise TypeError(
            f"runs must pickle to reach a worker process; define their class at the top of a module: {error}"
        ) from error

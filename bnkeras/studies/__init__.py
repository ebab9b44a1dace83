"""The studies: a module each, with `SCALES`, `runs(scale)`, `CLAIMS` and `figures(tables)`."""

import importlib
import pkgutil


def names():
    """Names of the studies, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get(name):
    """Return the module of a study; raise `ValueError` naming the known ones for an unknown name."""
    if name not in names():
        raise ValueError(f"study {name!r} is unknown; known are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")

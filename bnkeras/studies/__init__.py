"""The studies: a package each, with `SCALES`, `Run`, `runs(scale)`, `CLAIMS` and `figures(results)`."""

import importlib
import pkgutil

from bnkeras.evidence import claims, results


def names():
    """Names of the studies, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    """The package of a study; importing it imports neither Keras nor a backend."""
    return importlib.import_module(f"{__name__}.{name}")


def published():
    """Yield `(results, verdicts)` of every study that has published results, each at its largest scale."""
    for name in names():
        if results.scales(name):
            found = results.read(name)
            yield found, claims.judge(get(name).CLAIMS, found.tables)

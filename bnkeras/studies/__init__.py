"""The studies: a package each, with `SCALES`, `Run`, `runs(scale, seeds)`, `CLAIMS` and `figures(results)`."""

import importlib
import pkgutil

import pandas as pd

from bnkeras.evidence import claims, report, results

_PROTOCOL = "MGBFTHS"  # initials of claims, in the protocol's order


def names():
    """Names of the studies, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    """The package of a study; importing it imports neither Keras nor a backend."""
    return importlib.import_module(f"{__name__}.{name}")


def published():
    """Yield the `Results` of every study that has published some, each at its largest scale."""
    for name in names():
        if results.scales(name):
            yield results.read(name)


def judged(found):
    """The verdicts of the headlines of some `Results`: a row a claim, with `study` and `scale`."""
    return claims.judge(get(found.study).CLAIMS, found.tables).assign(study=found.study, scale=found.scale)


def headlines(verdicts=None):
    """The verdicts of all headlines in the protocol's order, corrected together.

    Args:
        verdicts: Tables of `judged`. Defaults to `None`, those of all published results.
    """
    tables = [judged(found) for found in published()] if verdicts is None else verdicts
    if not tables:
        return pd.DataFrame()
    ids = [claim.id for table in tables for claim in table.claim]
    order = sorted(range(len(ids)), key=lambda i: (_PROTOCOL.find(ids[i][0]), int(ids[i][1:])))
    return report.corrected(pd.concat(tables, ignore_index=True).iloc[order].reset_index(drop=True))

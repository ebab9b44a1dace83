"""The studies: a package each, with `SCALES`, `Run`, `runs(scale, seeds)`, `CLAIMS` and `figures(results)`."""

import importlib
import pkgutil

import pandas as pd

from bnkeras import places
from bnkeras.evidence import claims, report, results

_PROTOCOL = "MGBFTHS"  # initials of claims, in the protocol's order


def names():
    """Names of the studies, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    """The package of a study; importing it imports neither Keras nor a backend."""
    return importlib.import_module(f"{__name__}.{name}")


def notebook(name):
    """File name of a study's notebook, or `None` where there is none."""
    found = places.shipped("notebooks").glob(f"*_{name}.ipynb")
    return next((path.name for path in found), None)


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
    return report.corrected(_in_order(pd.concat(tables, ignore_index=True)))


def of_all_claims(verdicts=None):
    """The verdicts of all claims in the protocol's order: `headlines`, and "not run" where nothing is published."""
    judged = headlines(verdicts)
    known = set(judged.study) if len(judged) else set()
    missing = [
        {**claims.not_run(claim), "study": name} for name in names() if name not in known for claim in get(name).CLAIMS
    ]
    return _in_order(pd.concat([judged, pd.DataFrame(missing)], ignore_index=True)) if missing else judged


def needs(row):
    """What it takes to settle a claim that is not settled: a dict with `command` and `words` for each way.

    Args:
        row: A row of `of_all_claims`.
    """
    command = f"python -m bnkeras run {row.study} --scale"
    if row.outcome in (claims.INCONCLUSIVE, claims.NOT_ENOUGH_RUNS):
        words = f"about {row.seeds_needed:.0f} seeds" if row.seeds_needed and row.seeds_needed > 0 else "more seeds"
        return [{"command": f"{command} {row.scale} --until-settled --publish", "words": words}]
    if row.outcome != claims.NOT_RUN:
        return []
    study = get(row.study)
    scales = [scale for scale in results.SCALES[1:] if scale in study.SCALES]
    return [{"command": f"{command} {scale} --publish", "words": _size(study.runs(scale))} for scale in scales]


def _size(runs):
    return f"{len(runs):,} runs on {', '.join(sorted({run.data for run in runs}))}"


def _in_order(verdicts):
    ids = [claim.id for claim in verdicts.claim]
    order = sorted(range(len(ids)), key=lambda i: (_PROTOCOL.find(ids[i][0]), int(ids[i][1:])))
    return verdicts.iloc[order].reset_index(drop=True)

"""What the evidence page shows of each claim: verdict, figures, explored measures, provenance, what is missing."""

import math

import pandas as pd

from bnkeras import studies
from bnkeras.evidence import claims, report
from bnkeras.evidence.words import label

_EXPLORED = ("effect", "95 % interval", "seeds", "compared with d", "measure", "condition")
_HALF = 75  # half of the width of an interval's graph


def rows(verdicts, found, figures):
    """A dict for each claim, for the template of the page.

    Args:
        verdicts: Table of `studies.of_all_claims`.
        found: `{study: Results}`, those that are published.
        figures: List of `Figure`.
    """
    cells = report.headline_table(verdicts).to_dict("records")
    reach = max((abs(value) for row in verdicts.itertuples() for value in _over_d(row).values()), default=1.0)
    return [
        {
            "claim": row.claim,
            "measure": row.measure,
            "paper": label("paper", row.claim.paper),
            "study": row.study,
            "outcome": row.outcome,
            "verdict": row.verdict,
            "answer": claims.meaning(row),
            "cells": cell,
            "ratio": "" if pd.isna(row.effect) else f"{abs(row.effect) / row.measure.smallest:.6g}",
            "graph": _graph(row, reach),
            "figures": [figure for figure in figures if row.claim.id in figure.claims],
            "explored": _explored(row.claim, found.get(row.study)),
            "provenance": provenance(found[row.study]) if row.study in found else {},
            "needs": studies.needs(row),
        }
        for row, cell in zip(verdicts.itertuples(), cells, strict=True)
    ]


def _over_d(row):
    """Effect, interval and the paper's own figure over the smallest effect that matters."""
    if row.measure is None:
        return {}
    values = {"effect": row.effect, "low": row.low, "high": row.high, "reported": row.claim.reported_effect}
    return {name: value / row.measure.smallest for name, value in values.items() if not pd.isna(value)}


def _graph(row, reach):
    """Places in the graph of an interval, linear about zero and logarithmic far from it; `unit` is that of d."""
    values = _over_d(row)
    return {name: round(_HALF * math.asinh(value) / math.asinh(reach), 1) for name, value in values.items()} | (
        {"unit": round(_HALF * math.asinh(1) / math.asinh(reach), 1)} if values else {}
    )


def _explored(claim, found):
    if found is None:
        return []
    table = report.explored_table(claims.explore([claim], found.tables))
    return [tuple(row[column] for column in _EXPLORED) for row in table.to_dict("records")]


def provenance(found):
    """Where the results of a study are from, as `{what: lines}`."""
    about = found.about
    protocol = about["protocol"] or {"commit": "unknown", "date": ""}
    return {
        "command": [f"python -m bnkeras run {found.study} --scale {found.scale} --publish"],
        "cost": [f"{report.cost(found)}, from {about['started'][:10]}"],
        "protocol": [f"commit {protocol['commit'][:12]} of {protocol['date'][:10]}"],
        "versions": sorted({_versions(entry) for entry in about["environments"]}),
        "device": sorted({_device(entry) for entry in about["environments"]}),
        "data": [f"{data['source']}, SHA-256 {data['sha256']}" for data in about["data"].values()],
    }


def _versions(entry):
    names = {"keras": "Keras", "numpy": "NumPy", "python": "Python", "bnkeras": "bnkeras"}
    libraries = [f"{name} {entry[key]}" for key, name in names.items() if key in entry]
    return ", ".join([f"{entry['backend']} {entry['backend_version']}", *libraries])


def _device(entry):
    return f"{entry['device']}, {entry['processor']}, threads a run: {entry['threads']}"

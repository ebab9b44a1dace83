"""Advice and disagreements: shown by what verdicts carry, and by nothing else."""

import re

import numpy as np
import pandas as pd
import pytest

from bnkeras import studies
from bnkeras.evidence import advice, claims
from bnkeras.evidence.advice import ADVICE, DISAGREEMENTS


def verdicts(low, high, id="B1", smallest=2.0):
    measure = claims.Measure("gain", lambda tables: effects, "points", smallest)
    claim = claims.Claim(id, "a-paper", "It helps.", "figure", measure)
    middle, half = (low + high) / 2, (high - low) / 2
    shape = np.array([-1.0, 1.0] * 5)
    values = middle + shape * half / (2.262157163 * shape.std(ddof=1) / np.sqrt(10))
    effects = pd.Series(values, pd.RangeIndex(10, name="seed"))
    return claims.judge([claim], {}).assign(study="batch_size")


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(1.0, 5.0, "above"), (-5.0, -1.0, "below"), (-1.9, 1.9, "none"), (0.5, 1.9, "none"), (-1.0, 3.0, None)],
)
def test_a_line_stands_where_its_interval_carries_it(low, high, side):
    lines = advice.advice(verdicts(low, high), lambda study: f"{study}.ipynb")
    (item,) = [item for item in ADVICE if item.claim == "B1"]
    if side is None:
        assert lines == ""
    else:
        assert lines.startswith(f"- **{item.topic}**: {getattr(item, side)} ([B1](batch_size.ipynb): ")


def test_what_was_not_run_gives_no_advice():
    rows = pd.DataFrame([claims.not_run(row.claim) for row in verdicts(1, 5).itertuples()]).assign(study="batch_size")
    assert advice.advice(rows, str) == ""


def test_no_number_of_a_result_is_typed():
    for item in ADVICE:
        assert not re.search(r"\d", item.above + item.none + item.below), item.claim


def test_each_claim_is_one_of_the_protocol():
    protocol = set(re.findall(r"^\| ([A-Z]\d+) \|", (studies.places.shipped("protocol.md")).read_text(), re.MULTILINE))
    named = [item.claim for item in ADVICE] + [id for item in DISAGREEMENTS for id in item.claims]
    assert set(named) <= protocol


def test_claims_at_stake_are_those_that_are_known():
    (small,) = [item for item in DISAGREEMENTS if "B1" in item.claims]
    assert [row.claim.id for row in advice.at_stake(small, verdicts(1, 5)).itertuples()] == ["B1"]
    assert len(advice.at_stake(small, verdicts(1, 5, id="M1"))) == 0

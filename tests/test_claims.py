import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bnkeras import claims
from bnkeras.claims import Claim, judge, verdict

ABOUT = {"paper": "a-paper", "sentence": "It helps.", "reported": "figure", "measure": "gain"}


class Study:
    def __init__(self, *study_claims):
        self.CLAIMS = study_claims


def test_interval_is_students_and_matches_scipy():
    effects = [1.0, 2.0, 4.0, 4.5, 3.0]
    _, estimate, low, high, seeds = verdict(effects)
    expected = stats.t.interval(0.95, 4, loc=np.mean(effects), scale=stats.sem(effects))
    assert estimate == pytest.approx(2.9)
    assert (low, high) == pytest.approx(expected)
    assert seeds == 5


def test_three_effects_by_hand():
    # mean 2, standard deviation 1, t(0.975, 2) = 4.302653: half width 4.302653 / sqrt(3) = 2.484138
    assert verdict([1, 2, 3])[1:] == pytest.approx((2, -0.484138, 4.484138, 3), abs=1e-6)


@pytest.mark.parametrize(
    ("effects", "word"),
    [
        ([1.0, 1.1, 0.9], claims.REPRODUCED),
        ([-1.0, -1.1, -0.9], claims.CONTRADICTED),
        ([1.0, -1.0, 0.5], claims.INCONCLUSIVE),
        ([1.0, 1.1], claims.NOT_ENOUGH_RUNS),
        ([], claims.NOT_ENOUGH_RUNS),
        ([2.0, 2.0, 2.0], claims.REPRODUCED),
        ([0.0, 0.0, 0.0], claims.INCONCLUSIVE),
    ],
)
def test_claim_of_a_difference(effects, word):
    assert verdict(effects)[0] == word


@pytest.mark.parametrize(
    ("effects", "word"),
    [
        ([0.01, -0.01, 0.0], claims.REPRODUCED),
        ([0.5, 0.51, 0.49], claims.CONTRADICTED),
        ([-0.5, -0.51, -0.49], claims.CONTRADICTED),
        ([0.09, 0.11, 0.1], claims.INCONCLUSIVE),
        ([0.0, 0.0], claims.NOT_ENOUGH_RUNS),
    ],
)
def test_claim_of_no_difference(effects, word):
    assert verdict(effects, margin=0.1)[0] == word


def test_a_diverged_seed_does_not_count():
    assert verdict([1.0, 1.1, np.nan])[0] == claims.NOT_ENOUGH_RUNS
    assert verdict([1.0, 1.1, 0.9, np.inf])[4] == 3


def test_a_verdict_per_condition_in_the_order_given():
    index = pd.MultiIndex.from_product([["slow", "fast"], [0, 1, 2]], names=["condition", "seed"])
    effects = pd.Series([-1.0, -1.1, -0.9, 1.0, 1.1, 0.9], index=index)
    table = judge(Study(Claim(id="X1", effect=lambda tables: effects, **ABOUT)), {})
    assert table.condition.tolist() == ["slow", "fast"]
    assert table.verdict.tolist() == [claims.CONTRADICTED, claims.REPRODUCED]
    assert table.effect.tolist() == pytest.approx([-1, 1])


def test_effects_come_from_the_tables():
    table = pd.DataFrame({"seed": [0, 1, 2], "gain": [1.0, 1.2, 0.8]})
    claim = Claim(id="X1", effect=lambda tables: tables["epochs"].set_index("seed").gain, **ABOUT)
    row = judge(Study(claim), {"epochs": table}).iloc[0]
    assert (row.id, row.condition, row.verdict, row.seeds, row.measure) == ("X1", "", claims.REPRODUCED, 3, "gain")


def test_an_identity_holds_exactly():
    row = judge(Study(Claim(id="X2", proof="tests/test_x.py::test_y", **ABOUT)), {}).iloc[0]
    assert row.verdict == claims.HOLDS_EXACTLY
    assert row.seeds == 0


@pytest.mark.parametrize("margin", [0, -0.1, float("nan")])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match=r"X3: margin must be positive, got"):
        Claim(id="X3", effect=lambda tables: None, margin=margin, **ABOUT)


def test_effect_or_proof():
    with pytest.raises(ValueError, match="either an effect or a proof"):
        Claim(id="X4", **ABOUT)

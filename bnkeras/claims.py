"""Verdicts: one rule that turns an effect per seed into reproduced, contradicted, inconclusive or not enough runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

REPRODUCED = "reproduced"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_ENOUGH_RUNS = "not enough runs"
HOLDS_EXACTLY = "holds exactly"
MINIMUM_SEEDS = 3
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper that a study judges by one measured effect.

    Attributes:
        id: short name, such as `"M2"`. One claim may be measured in several ways, each a `Claim` with the same id.
        paper: key of the paper.
        sentence: what the paper says, in the project's own words.
        reported: the figure that the paper prints, or `"figure"`.
        measure: what the effect is, with its unit. For a claim of a difference it is signed so that a positive
            effect is on the claimed side.
        effect: function from the study's tables (`{name: DataFrame}`) to a `pandas.Series` of effects indexed by
            `seed`, or by `condition` and `seed` where a claim is judged under several conditions. Runs that share a
            seed are paired in it.
        margin: for a claim of no difference, the largest absolute effect that still counts as none; `None` for a
            claim of a difference.
        proof: for an identity, the test that proves it; such a claim has no effect.
    """

    id: str
    paper: str
    sentence: str
    reported: str
    measure: str
    effect: Callable[[dict], pd.Series] | None = None
    margin: float | None = None
    proof: str | None = None

    def __post_init__(self):
        if (self.effect is None) == (self.proof is None):
            raise ValueError(f"claim {self.id}: give either an effect or a proof, got {self.effect!r}, {self.proof!r}")
        if self.margin is not None and not self.margin > 0:
            raise ValueError(f"claim {self.id}: margin must be positive, got {self.margin!r}")


def judge(study, tables):
    """Judge every claim of a study.

    The rule is the same for all claims. The estimate is the mean of the effect over seeds, its interval Student's
    95 % interval. The whole interval above 0: reproduced; below 0: contradicted; across: inconclusive. A claim of no
    difference is reproduced when the interval lies within `(-margin, margin)`, contradicted when it lies outside
    altogether. Fewer than three seeds: not enough runs. An identity holds exactly: a test proves it.

    Args:
        study: a module of `bnkeras.studies`, or anything with a sequence `CLAIMS` of `Claim`.
        tables: the study's results, `{name: DataFrame}`, as `bnkeras.results.read` returns them.

    Returns:
        A `DataFrame` with a row per claim and condition: `id`, `condition`, `verdict`, `effect` (the estimate),
        `low`, `high` (its interval), `seeds`, `measure`, `reported`, `sentence`, `paper`.
    """
    return pd.DataFrame([row for claim in study.CLAIMS for row in _verdicts(claim, tables)])


def verdict(effects, margin=None):
    """Apply the rule of `judge` to one effect per seed.

    Args:
        effects: effects, one a seed; a seed whose effect is not finite (its run diverged) does not count.
        margin: see `Claim`.

    Returns:
        `(verdict, estimate, low, high, seeds)`; the interval is NaN below two seeds.
    """
    values = np.asarray(effects, dtype="float64")
    values = values[np.isfinite(values)]
    estimate, low, high = _interval(values)
    if len(values) < MINIMUM_SEEDS:
        return NOT_ENOUGH_RUNS, estimate, low, high, len(values)
    inner, outer = (0.0, np.inf) if margin is None else (-margin, margin)
    if inner < low and high < outer:
        word = REPRODUCED
    elif high < inner or low > outer:
        word = CONTRADICTED
    else:
        word = INCONCLUSIVE
    return word, estimate, low, high, len(values)


def _interval(values):
    if not len(values):
        return np.nan, np.nan, np.nan
    estimate = values.mean()
    if len(values) == 1:
        return estimate, np.nan, np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return estimate, estimate - half, estimate + half


def _verdicts(claim, tables):
    about = {key: getattr(claim, key) for key in ("measure", "reported", "sentence", "paper")}
    if claim.proof is not None:
        nothing = {"effect": np.nan, "low": np.nan, "high": np.nan, "seeds": 0}
        yield {"id": claim.id, "condition": "", "verdict": HOLDS_EXACTLY, **nothing, **about}
        return
    effects = claim.effect(tables)
    conditions = [("", effects)]
    if isinstance(effects.index, pd.MultiIndex):
        conditions = effects.groupby(level="condition", sort=False)
    for condition, values in conditions:
        word, estimate, low, high, seeds = verdict(values, claim.margin)
        figures = {"effect": estimate, "low": low, "high": high, "seeds": seeds}
        yield {"id": claim.id, "condition": condition, "verdict": word, **figures, **about}

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
class Measure:
    """One way to measure a claim.

    Attributes:
        words: What the effect is, with its unit. For a claim of a difference it is signed so that a positive effect is
            on the claimed side.
        effect: Function from the study's tables (`{name: DataFrame}`) to a `pandas.Series` of effects with an index
            level `seed`, and further levels where the claim is judged under several conditions. Runs that share a seed
            are paired in it.
        margin: For a claim of no difference, the largest absolute effect that still counts as none. Defaults to `None`,
            a claim of a difference.
        proof: For an identity, the test that proves it; such a measure has no effect. Defaults to `None`.
        sentence: The part of the claim that is measured. Defaults to `""`, all of it.
    """

    words: str
    effect: Callable[[dict], pd.Series] | None = None
    margin: float | None = None
    proof: str | None = None
    sentence: str = ""

    def __post_init__(self):
        if (self.effect is None) == (self.proof is None):
            given = f"effect={self.effect!r}, proof={self.proof!r}"
            raise ValueError(f"A measure needs either an effect or a proof. Received: {given} for {self.words!r}")
        if self.margin is not None and not self.margin > 0:
            raise ValueError(f"`margin` must be positive. Received: margin={self.margin!r} for {self.words!r}")


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper that a study judges.

    Attributes:
        id: Short name, such as `"M2"`.
        paper: Key of the paper.
        sentence: What the paper says, in the project's own words.
        reported: The figure that the paper prints, or `"figure"`.
        measures: The ways in which it is measured.
    """

    id: str
    paper: str
    sentence: str
    reported: str
    measures: tuple[Measure, ...]


def judge(claims, tables):
    """Judge every measure of some claims.

    The rule is the same for all. The estimate is the mean of the effect over seeds, its interval Student's 95 %
    interval. The whole interval above 0: reproduced; below 0: contradicted; across: inconclusive. A claim of no
    difference is reproduced when the interval lies within `(-margin, margin)`, contradicted when it lies outside
    altogether. Fewer than three seeds: not enough runs. An identity holds exactly: a test proves it.

    Args:
        claims: Sequence of `Claim`, a study's `CLAIMS`.
        tables: The study's results, `{name: DataFrame}`.

    Returns:
        A `DataFrame` with a row per claim, measure and condition: `claim` and `measure` (the objects), `condition` (a
        dict from index level to value), `verdict`, `effect` (the estimate), `low`, `high` (its interval), `seeds`.
    """
    rows = [
        {"claim": claim, "measure": measure, **row}
        for claim in claims
        for measure in claim.measures
        for row in _judged(measure, tables)
    ]
    return pd.DataFrame(rows)


def _judged(measure, tables):
    if measure.proof is not None:
        nothing = {"effect": np.nan, "low": np.nan, "high": np.nan, "seeds": 0}
        yield {"condition": {}, "verdict": HOLDS_EXACTLY, **nothing}
        return
    effects = measure.effect(tables)
    levels = [name for name in effects.index.names if name != "seed"]
    for values, group in effects.groupby(level=levels, sort=False) if levels else [((), effects)]:
        yield {"condition": dict(zip(levels, values, strict=True)), **verdict(group, measure.margin)}


def verdict(effects, margin=None):
    """Apply the rule of `judge` to one effect per seed.

    Args:
        effects: Effects, one a seed; a seed whose effect is not finite (its run diverged) does not count.
        margin: See `Measure`.

    Returns:
        A dict with `verdict`, `effect`, `low`, `high`, `seeds`; the interval is NaN below two seeds.
    """
    values = np.asarray(effects, dtype="float64")
    values = values[np.isfinite(values)]
    estimate, low, high = _interval(values)
    inner, outer = (0.0, np.inf) if margin is None else (-margin, margin)
    if len(values) < MINIMUM_SEEDS:
        word = NOT_ENOUGH_RUNS
    elif inner < low and high < outer:
        word = REPRODUCED
    elif high < inner or low > outer:
        word = CONTRADICTED
    else:
        word = INCONCLUSIVE
    return {"verdict": word, "effect": estimate, "low": low, "high": high, "seeds": len(values)}


def _interval(values):
    if len(values) < 2:
        return values.mean() if len(values) else np.nan, np.nan, np.nan
    estimate = values.mean()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return estimate, estimate - half, estimate + half

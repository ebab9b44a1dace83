"""Verdicts: one rule for all claims, from the interval of a headline measure and the smallest effect that matters."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnkeras.evidence.effects import no_effects
from bnkeras.evidence.intervals import estimate

REPRODUCED = "reproduced"
CONTRADICTED = "contradicted"
NOT_REPRODUCED = "not reproduced"
NO_DIFFERENCE = "no difference that matters"
INCONCLUSIVE = "inconclusive"
NOT_ENOUGH_RUNS = "not enough runs"
HOLDS_EXACTLY = "holds exactly"
ANSWERED = "answered"
NOT_RUN = "not run"
OUTCOMES = (
    HOLDS_EXACTLY,
    REPRODUCED,
    CONTRADICTED,
    NO_DIFFERENCE,
    ANSWERED,
    INCONCLUSIVE,
    NOT_ENOUGH_RUNS,
    NOT_RUN,
)
"""What can come of a claim, whatever its own words are; an open question is answered."""

ABOVE, NONE, NOT_ABOVE = "above", "none", "not above"
UNITS = {
    "points": (-100.0, 100.0),
    "AUC": (-1.0, 1.0),
    "nats": (-math.inf, math.inf),
    "%": (-100.0, math.inf),
    "epochs": (-math.inf, math.inf),
    "doublings": (-math.inf, math.inf),
    "decades": (-math.inf, math.inf),
    "relative": (-math.inf, math.inf),
}
"""Units of effects, with the least and the largest value that an effect can have."""


@dataclass(frozen=True)
class Measure:
    """One way to measure a claim.

    Attributes:
        words: What the effect is; signed so that a positive effect is on the claimed side.
        effect: Function from the study's tables (`{name: DataFrame}`) to effects with an index level `seed`, in a form
            that `intervals.estimate` takes, and further levels where there are several conditions. Runs that share a
            seed are paired in it.
        unit: One of `UNITS`.
        smallest: The smallest effect that matters, d, in that unit. Needed in a headline.
        side: On which side of 0 the claim lies: `"above"`; `"none"`, a claim of no difference; or `"not above"`, a
            claim that there is no gain. Defaults to `"above"`.
        sentence: The part of the claim that is measured. Defaults to `""`, all of it.
    """

    words: str
    effect: Callable[[dict], pd.Series | pd.DataFrame]
    unit: str
    smallest: float | None = None
    side: str = ABOVE
    sentence: str = ""

    def __post_init__(self):
        if self.unit not in UNITS:
            raise ValueError(f"`unit` must be one of {list(UNITS)}. Received: unit={self.unit!r} for {self.words!r}")
        if self.side not in (ABOVE, NONE, NOT_ABOVE):
            raise ValueError(f"`side` must be 'above', 'none' or 'not above'. Received: {self.side!r}, {self.words!r}")
        if self.smallest is not None and not self.smallest > 0:
            raise ValueError(f"`smallest` must be positive. Received: smallest={self.smallest!r} for {self.words!r}")


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper that a study judges by one headline measure.

    Attributes:
        id: Short name, such as `"M2"`.
        paper: Key of the paper.
        sentence: What the paper says, in the project's own words.
        reported: The figure that the paper prints, or `"figure"`.
        headline: The one `Measure` that answers the claim, under one condition, with its smallest effect that matters;
            `None` where the claim is an identity, which its `proof` answers.
        explored: Any number of further measures; they answer nothing.
        unknown: Decisive settings that the paper leaves out, with those searched; such a claim is reproduced, or not,
            "here". Defaults to `""`.
        plain: Three plain sentences: what it means if the effect is above 0, too small to matter, and below 0.
        open: Whether it is an open question, whose verdict is one of the plain sentences. Defaults to `False`.
        reported_effect: The paper's own figure in the unit of the headline, for plots. Defaults to `None`.
        proof: For an identity, alone or beside the headline, the test that proves it. Defaults to `""`.
    """

    id: str
    paper: str
    sentence: str
    reported: str
    headline: Measure | None
    explored: tuple[Measure, ...] = ()
    unknown: str = ""
    plain: tuple[str, str, str] = ("", "", "")
    open: bool = False
    reported_effect: float | None = None
    proof: str = ""

    def __post_init__(self):
        if self.headline is None and self.proof:
            return
        if not isinstance(self.headline, Measure):
            raise TypeError(f"claim {self.id}: `headline` must be one Measure. Received: {self.headline!r}")
        if self.headline.smallest is None:
            raise ValueError(f"claim {self.id}: `headline` needs its `smallest`. Received: {self.headline.words!r}")


def judge(claims, tables):
    """Judge the headline of every claim.

    The rule is the same for all. With d the smallest effect that matters and the 95 % interval of the effect over
    seeds (see `intervals.estimate`): within (-d, d), no difference that matters; above 0, reproduced; below 0,
    contradicted; else inconclusive. A claim of no difference is reproduced within (-d, d) and contradicted outside
    altogether; a claim of no gain is reproduced below d and contradicted above 0. With fewer seeds than the interval
    needs: not enough runs. An identity holds exactly: a test proves it.

    Args:
        claims: Sequence of `Claim`, a study's `CLAIMS`.
        tables: The study's results, `{name: DataFrame}`.

    Returns:
        A `DataFrame` with a row per claim: `claim` and `measure` (the objects), `outcome` (one of `OUTCOMES`),
        `verdict` (the outcome in the claim's words), `effect`, `low`, `high` (its interval), `seeds`, `p` (of the
        hypothesis that the verdict rejects), `half_width` and `seeds_needed` (to show an effect of d at 80 % power).
    """
    return pd.DataFrame([_headline(claim, tables) for claim in claims])


def explore(claims, tables):
    """Estimate all measures of every claim under all conditions.

    Returns:
        A `DataFrame` with a row per claim, measure and condition, as `judge` returns it, and with `condition`, a dict
        from index level to value. Its headlines come first.
    """
    rows = []
    for claim in claims:
        for measure in filter(None, (claim.headline, *claim.explored)):
            effects = _effects(measure, tables)
            levels = [name for name in effects.index.names if name != "seed"]
            for values, group in effects.groupby(level=levels, sort=False) if levels else [((), effects)]:
                rows.append({**_row(claim, measure, group), "condition": dict(zip(levels, values, strict=True))})
    return pd.DataFrame(rows)


def all_diverged(tables):
    """Whether no run has a finite test accuracy, where that was measured."""
    accuracy = tables.get("epochs", pd.DataFrame()).get("test_accuracy", [0.0])
    return not np.isfinite(np.asarray(accuracy, "float64")).any()


def _effects(measure, tables):
    if all_diverged(tables):
        return no_effects()
    return measure.effect(tables)


def _headline(claim, tables):
    if claim.headline is not None:
        return _row(claim, claim.headline, _effects(claim.headline, tables))
    return not_run(claim)


def not_run(claim):
    """The row of a claim of which nothing was run, as in `judge`; an identity holds all the same."""
    word = NOT_RUN if claim.headline else HOLDS_EXACTLY
    numbers = dict.fromkeys(("effect", "low", "high", "p", "half_width"), math.nan)
    return {"claim": claim, "measure": claim.headline, "outcome": word, "verdict": word, "seeds": 0, **numbers}


def _row(claim, measure, effects):
    found = estimate(effects, UNITS[measure.unit])
    smallest = measure.smallest or 0.0
    word = verdict(found, measure.side, smallest)
    answered = claim.open and word in (REPRODUCED, NO_DIFFERENCE, CONTRADICTED)
    return {
        "claim": claim,
        "measure": measure,
        "outcome": ANSWERED if answered else word,
        "verdict": _worded(claim, word),
        "effect": found.effect,
        "low": found.low,
        "high": found.high,
        "seeds": found.seeds,
        "p": _p(found, measure.side, smallest),
        "half_width": found.half_width,
        "seeds_needed": found.seeds_needed(smallest) if smallest else None,
    }


def verdict(found, side=ABOVE, smallest=0.0):
    """Apply the rule of `judge` to an `Estimate`; `smallest` 0 leaves out "no difference that matters"."""
    if not found.enough:
        return NOT_ENOUGH_RUNS
    within = -smallest < found.low and found.high < smallest
    decided = {
        ABOVE: ((within, NO_DIFFERENCE), (found.low > 0, REPRODUCED), (found.high < 0, CONTRADICTED)),
        NONE: ((within, REPRODUCED), (found.low >= smallest or found.high <= -smallest, CONTRADICTED)),
        NOT_ABOVE: ((found.high < smallest, REPRODUCED), (found.low > 0, CONTRADICTED)),
    }
    return next((word for holds, word in decided[side] if holds), INCONCLUSIVE)


def side(row):
    """On which side a headline's effect lies: `"none"` within d, `"above"` or `"below"` 0; `None` where unsettled."""
    if row.measure is None or not row.low <= row.high:
        return None
    if -row.measure.smallest < row.low and row.high < row.measure.smallest:
        return "none"
    return "above" if row.low > 0 else "below" if row.high < 0 else None


def meaning(row):
    """What is known of a claim in plain words: the sentence that its headline's interval supports, or that none is."""
    if row.measure is None:
        return row.claim.plain[0]
    if row.outcome == NOT_RUN:
        return "Not run yet."
    if not row.low <= row.high:
        return "Not run often enough."
    return dict(zip(("above", "none", "below"), row.claim.plain, strict=True)).get(side(row), "Not settled.")


def _worded(claim, word):
    """The verdict in the words of a claim: an answer to an open question, or "here" where settings are unknown."""
    if claim.open:
        answers = dict(zip((REPRODUCED, NO_DIFFERENCE, CONTRADICTED), claim.plain, strict=True))
        return answers.get(word, word).rstrip(".")
    if claim.unknown:
        return {REPRODUCED: f"{REPRODUCED} here", CONTRADICTED: f"{NOT_REPRODUCED} here"}.get(word, word)
    return word


def _p(found, side, smallest):
    if side == ABOVE:
        return found.p
    above = found.p_not_below(smallest)
    return above if side == NOT_ABOVE else max(above, 1 - found.p_not_below(-smallest))

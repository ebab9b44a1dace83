"""Estimates with their intervals, against SciPy, exact coverage and values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bnkeras.evidence.intervals import estimate

SHARES = np.linspace(0.05, 0.95, 19)


def test_mean_has_students_interval():
    values = np.random.default_rng(0).normal(1, 2, 12)
    found = estimate(pd.Series(values))
    expected = stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert (found.effect, found.seeds, found.enough) == (pytest.approx(values.mean()), 12, True)


def test_mean_by_hand():
    # five 1s and five 3s: mean 2, standard deviation sqrt(10/9), half-width t(0.975, 9) * sqrt(1/9) = 2.262157 / 3
    found = estimate(pd.Series([1.0, 3.0] * 5))
    assert (found.effect, found.half_width) == pytest.approx((2.0, 0.7540524), abs=1e-6)


@pytest.mark.parametrize(("effects", "least"), [(pd.Series(np.arange(9.0)), 10), (pd.Series([True] * 4), 5)])
def test_too_few_seeds_have_no_interval(effects, least):
    found = estimate(effects)
    assert not found.enough
    assert math.isnan(found.low)
    assert math.isnan(found.p)
    more = pd.concat([effects, effects[: least - len(effects)]])
    assert estimate(more).enough


def test_what_diverged_does_not_count():
    assert estimate(pd.Series([1.0] * 9 + [math.nan, math.inf])).seeds == 9


def test_no_interval_leaves_what_can_be():
    found = estimate(pd.Series([0.0] * 9 + [100.0]), bounds=(-10, 30))
    assert (found.low, found.high) == (-10, 30)
    for count in range(11):
        found = estimate(pd.Series([True] * count + [False] * (10 - count)))
        assert -50 <= found.low <= found.effect <= found.high <= 50
    for plus in range(6):
        table = pd.DataFrame({"plus": [True] * plus + [False] * (5 - plus), "minus": [False] * 5})
        found = estimate(table)
        assert -100 <= found.low <= found.high <= 100


def test_a_share_is_in_points_above_one_half():
    found = estimate(pd.Series([True] * 9 + [False]))
    assert found.effect == pytest.approx(40)
    assert found.p == pytest.approx(2 * (0.5**10 + 10 * 0.5**10))


def test_paired_shares_have_mcnemars_p_and_others_fishers():
    paired = pd.DataFrame({"plus": [True] * 6 + [False] * 4, "minus": [False] * 10})
    assert estimate(paired).p == pytest.approx(2 * 0.5**6)
    plus, minus = paired[["plus"]], pd.DataFrame({"minus": [False] * 10})
    apart = pd.concat([plus, minus], ignore_index=True)
    assert estimate(apart).p == pytest.approx(stats.fisher_exact([[6, 4], [0, 10]]).pvalue)
    assert estimate(apart).effect == estimate(paired).effect == pytest.approx(60)


@pytest.mark.parametrize("n", [10, 20, 30, 40, 60])
def test_intervals_of_shares_cover_93_percent(n):
    found = [estimate(pd.Series([True] * count + [False] * (n - count))) for count in range(n + 1)]
    for share in SHARES:
        covers = [e.low <= 100 * share - 50 <= e.high for e in found]
        assert stats.binom.pmf(np.arange(n + 1), n, share) @ covers > 0.929


@pytest.mark.slow
def test_intervals_of_two_shares_cover_93_percent():
    n = 10
    table = {}
    for a in range(n + 1):
        for b in range(n + 1):
            values = {"plus": [True] * a + [False] * (n - a), "minus": [True] * b + [False] * (n - b)}
            table[a, b] = estimate(pd.DataFrame(values))
    for first in SHARES[::3]:
        for second in SHARES[::3]:
            weights = np.outer(*(stats.binom.pmf(np.arange(n + 1), n, share) for share in (first, second)))
            effect = 100 * (first - second)
            covered = sum(weights[key] for key, e in table.items() if e.low <= effect <= e.high)
            assert covered > 0.929


@pytest.mark.parametrize("n", [10, 20, 60])
def test_students_interval_covers_a_skewed_effect(n):
    sigma = 0.3  # a lognormal effect of skewness 0.95
    draws = np.random.default_rng(0).lognormal(0, sigma, (20_000, n))
    half = stats.t.ppf(0.975, n - 1) * draws.std(axis=1, ddof=1) / math.sqrt(n)
    found = estimate(pd.Series(draws[0]))
    assert found.half_width == pytest.approx(half[0])
    assert np.mean(np.abs(draws.mean(axis=1) - math.exp(sigma**2 / 2)) <= half) > 0.93


def test_seeds_needed_show_the_effect_in_four_of_five_cases():
    values = pd.Series(np.random.default_rng(0).normal(0, 1, 10))
    spread = values.std()
    seeds = estimate(values).seeds_needed(0.5 * spread)
    draws = np.random.default_rng(1).normal(0.5, 1, (4_000, seeds))
    assert np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.03)
    assert estimate(pd.Series([1.0] * 10)).seeds_needed(0.5) is None

"""The rule of verdicts on made-up effects, and what a claim must have."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest

from bnkeras.evidence import claims, display, report, seeds, words
from bnkeras.evidence.claims import ABOVE, NONE, NOT_ABOVE, Claim, Measure, explore, judge


def measure(effects=(), smallest=1.0, side=ABOVE, **options):
    series = effects if isinstance(effects, (pd.Series, pd.DataFrame)) else around(effects)
    return Measure("gain", lambda tables: series, "points", smallest, side, **options)


def around(values):
    """Ten effects in [low, high] whose interval lies within it, or the effects given."""
    return pd.Series(np.asarray(values, float), pd.RangeIndex(len(values), name="seed"))


def claim(headline, **options):
    return Claim("X1", "a-paper", "It helps.", "figure", headline, **options)


def spread(low, high):
    """Effects whose 95 % interval is [low, high]."""
    middle, half = (low + high) / 2, (high - low) / 2
    shape = np.array([-1.0, 1.0] * 5)
    return around(middle + shape * half / (2.262157163 * shape.std(ddof=1) / np.sqrt(10)))


@pytest.mark.parametrize(
    ("side", "low", "high", "word"),
    [
        (ABOVE, 0.1, 2.0, claims.REPRODUCED),
        (ABOVE, -2.0, -0.1, claims.CONTRADICTED),
        (ABOVE, -0.9, 0.9, claims.NO_DIFFERENCE),
        (ABOVE, 0.1, 0.9, claims.NO_DIFFERENCE),
        (ABOVE, -0.5, 1.5, claims.INCONCLUSIVE),
        (NONE, -0.9, 0.9, claims.REPRODUCED),
        (NONE, 1.1, 2.0, claims.CONTRADICTED),
        (NONE, -2.0, -1.1, claims.CONTRADICTED),
        (NONE, 0.5, 1.5, claims.INCONCLUSIVE),
        (NOT_ABOVE, -5.0, 0.9, claims.REPRODUCED),
        (NOT_ABOVE, 0.5, 2.0, claims.CONTRADICTED),
        (NOT_ABOVE, -0.5, 1.5, claims.INCONCLUSIVE),
    ],
)
def test_the_rule(side, low, high, word):
    row = judge([claim(measure(spread(low, high), side=side))], {}).iloc[0]
    assert (row.low, row.high) == pytest.approx((low, high))
    assert row.verdict == word


def test_a_half_width_of_half_d_leaves_no_difference_inconclusive():
    for middle in np.linspace(-3, 3, 61):
        effects = spread(middle - 0.4999, middle + 0.4999)
        assert judge([claim(measure(effects))], {}).verdict[0] != claims.INCONCLUSIVE


def test_fewer_seeds_than_the_interval_needs():
    row = judge([claim(measure([1.0] * 9))], {}).iloc[0]
    assert (row.verdict, row.seeds) == (claims.NOT_ENOUGH_RUNS, 9)


def test_words_where_settings_are_unknown_and_for_open_questions():
    for options, words_ in (
        ({"unknown": "learning rate"}, ("reproduced here", "not reproduced here")),
        ({"plain": ("A is ahead.", "Alike.", "B is ahead."), "open": True}, ("A is ahead", "B is ahead")),
    ):
        found = [judge([claim(measure(spread(*at)), **options)], {}).verdict[0] for at in ((1, 2), (-2, -1))]
        assert tuple(found) == words_


def test_an_identity_is_proved_by_its_test():
    row = judge([claim(None, proof="tests/test_x.py::test_it")], {}).iloc[0]
    assert row.verdict == claims.HOLDS_EXACTLY
    table = report.headline_table(
        judge([claim(None, proof="tests/test_x.py::test_it"), claim(measure(spread(1, 2)))], {})
    )
    assert table.headline.tolist() == ["tests/test_x.py::test_it", "gain, points"]


@pytest.mark.parametrize(
    ("headline", "error", "match"),
    [
        (None, TypeError, "X1.*None"),
        ((measure(), measure()), TypeError, "X1.*one Measure"),
        (measure(smallest=None), ValueError, "X1.*`smallest`"),
    ],
)
def test_a_claim_needs_one_headline_with_its_smallest_effect(headline, error, match):
    with pytest.raises(error, match=match):
        claim(headline)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"smallest": 0.0}, "smallest=0.0"), ({"smallest": -1.0}, "smallest=-1.0"), ({"side": "below"}, "'below'")],
)
def test_bad_measures(options, match):
    with pytest.raises(ValueError, match=match):
        measure(**options)
    with pytest.raises(ValueError, match="unit='furlongs'"):
        dataclasses.replace(measure(), unit="furlongs")


def test_explored_measures_have_a_row_a_condition_in_the_order_given():
    index = pd.MultiIndex.from_product(
        [[0.3, 0.1], [False, True], range(10)], names=["learning_rate", "augment", "seed"]
    )
    effects = pd.Series(np.repeat([1.0, 2.0, 3.0, 4.0], 10), index)
    rows = explore([claim(measure(spread(1, 2)), explored=(measure(effects),))], {})
    assert rows.condition.tolist()[1:] == [
        {"learning_rate": r, "augment": a} for r in (0.3, 0.1) for a in (False, True)
    ]
    assert rows.effect.tolist()[1:] == [1, 2, 3, 4]
    table = report.explored_table(rows)
    assert table.condition.tolist() == [
        "learning rate 0.3",
        "learning rate 0.3, augmented",
        "learning rate 0.1",
        "learning rate 0.1, augmented",
    ]


def test_holms_correction_by_hand():
    table = pd.DataFrame({"p": [0.01, 0.04, 0.03, np.nan]})
    assert report.corrected(table).p_holm[:3].tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_more_seeds_until_the_interval_is_narrow_whatever_its_sign():
    narrow, wide = claim(measure(spread(-0.5, 0.49))), claim(measure(spread(5, 7)))
    narrow, wide = (dataclasses.replace(c, id=i) for c, i in ((narrow, "N"), (wide, "W")))
    verdicts = judge([narrow, wide], {})
    assert seeds.more_seeds(verdicts, {}) == {"W": 20}
    assert seeds.more_seeds(verdicts, {"W": 55}) == {"W": 60}
    assert seeds.more_seeds(verdicts, {"W": 60}) is None
    assert list(seeds.headline_seeds([narrow, wide], {"W": 20})) == list(range(100, 120))
    assert list(seeds.headline_seeds(["N"], {"W": 20})) == list(range(100, 110))


def test_labels():
    assert (
        words.labels({"normalization": "bn", "learning_rate": 0.5, "augment": False})
        == "batch normalization, learning rate 0.5"
    )
    assert words.label("placement", "block 3") == "block 3"


def test_start_up_logs_are_left_out_and_later_ones_are_not(capfd):
    with display.without_start_up_logs():
        os.write(2, b"of processors\n")
    os.write(2, b"of mistakes\n")
    assert capfd.readouterr().err == "of mistakes\n"

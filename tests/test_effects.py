"""What the effects of all studies are made of, on small tables worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from bnkeras.evidence import effects, report


def wide(columns):
    """Accuracies of two seeds, one column a batch size."""
    return pd.DataFrame(columns, index=pd.Index([100, 101], name="seed")).rename_axis(columns="batch_size")


def test_drops_from_a_reference_to_each_smaller_number():
    found = effects.drops(wide({2: [1.0, 2.0], 8: [5.0, np.nan], 64: [9.0, 9.0], 256: [0.0, 0.0]}), 64)
    assert found.index.names == ["batch_size", "seed"]
    assert found.dropna().to_dict() == {(2, 100): 8.0, (2, 101): 7.0, (8, 100): 4.0}


@pytest.mark.parametrize("columns", [{}, {2: [1.0, 2.0]}, {64: [1.0, 2.0], 256: [1.0, 2.0]}])
def test_no_drops_without_the_reference_or_a_smaller_number(columns):
    found = effects.drops(wide(columns), 64)
    assert found.empty
    assert found.index.names == ["batch_size", "seed"]


def test_effects_of_no_run():
    assert effects.no_effects().index.names == ["seed"]
    assert effects.no_effects("rule", "batch_size").index.names == ["rule", "batch_size", "seed"]


def test_headline_rows_are_those_of_its_seeds_and_settings():
    table = pd.DataFrame({"seed": [0, 100, 101, 102], "rate": [0.1, 0.1, 0.3, 0.1], "rule": list("aaab")})
    assert effects.headline(table, rate=0.1).seed.tolist() == [100, 102]
    assert effects.where(table, rate=0.1, rule="a").seed.tolist() == [0, 100]


def test_stuck_is_a_loss_near_the_entropy_or_none():
    losses = pd.Series([0.96, 0.95, 0.94, np.nan, np.inf, None], dtype=object)
    assert effects.stuck(losses, 1.0).tolist() == [True, True, False, True, True, True]


def test_mean_and_deviation_in_words():
    assert report.mean_and_deviation(pd.Series([98.0, 99.0])) == "98.5 ± 0.7"
    assert report.mean_and_deviation(pd.Series([98.0, 99.0]), 2) == "98.50 ± 0.71"
    assert report.mean_and_deviation(pd.Series([98.0])) == "98.0"
    assert report.mean_and_deviation(pd.Series(dtype=float)) == ""

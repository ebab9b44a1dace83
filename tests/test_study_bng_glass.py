import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkeras import claims
from bnkeras.datasets.bng_glass import CLASS_NAMES
from bnkeras.studies import _common
from bnkeras.studies import bng_glass as study
from bnkeras.studies.bng_glass import Run


def run(**changes):
    settings = {
        "normalization": "bn",
        "learning_rate": 1.0,
        "classes": "as drawn",
        "epochs": 2,
        "seed": 0,
        "jit": False,
    }
    return Run("bng_glass_sample", **{**settings, **changes})


@pytest.fixture(scope="module")
def trained():
    """The tables of two runs on the stand-in."""
    return {"bn": run().train(), "equal": run(classes="equal", epochs=1).train()}


def made_up_tables(hard="vehic wind float", rare="vehic wind non-float"):
    """Tables whose effects are known: BN leads by 30 points, then by 0.5; one class is hard, one only rare."""
    epochs, auc = [], []
    rates = [(rate, "as drawn") for rate in study.LEARNING_RATES] + [(1.0, "equal")]
    for kind, (rate, classes), seed in itertools.product(study.NORMALIZATIONS, rates, range(3)):
        setting = {"normalization": kind, "learning_rate": rate, "classes": classes, "seed": seed}
        for epoch, (base, bn) in enumerate([(0.3, 0.6), (0.7, 0.705)], start=1):
            value = (bn if kind == "bn" else base) + 0.0001 * seed
            row = {"epoch": epoch, "test_accuracy": value, "train_accuracy": value, "source": "made up"}
            epochs.append({**setting, **row})
        for name in CLASS_NAMES:
            low = name == hard or (name == rare and classes == "as drawn")
            value = (0.8 if low else 0.9) + (0.02 if kind == "bn" else 0.0) + 0.001 * seed
            rows = 250 if classes == "equal" or name == rare else 5000
            auc.append({**setting, "class": name, "auc": value, "recall": 0.5, "train_rows": rows, "test_rows": 60})
    return {"epochs": pd.DataFrame(epochs), "auc": pd.DataFrame(auc)}


def test_scales():
    assert {scale: len(study.runs(scale)) for scale in study.SCALES} == {"quick": 24, "laptop": 40, "paper": 40}
    for scale in study.SCALES:
        assert len(set(study.runs(scale))) == len(study.runs(scale))


def test_a_run_returns_its_tables(trained):
    tables = trained["bn"]
    assert [(row["epoch"], row["step"]) for row in tables["epochs"]] == [(1, 133), (2, 266)]
    assert tables["epochs"][0]["source"].endswith("sample of 10,000 rows")
    assert [row["train_rows"] for row in tables["auc"]] == [2594, 2832, 646, 18, 490, 350, 1070]
    assert [row["test_rows"] for row in tables["auc"]] == [648, 708, 161, 5, 122, 88, 268]
    assert len(tables["roc"]) == 7 * len(_common.ROC_GRID)
    assert sum(row["rows"] for row in tables["confusion"]) == 2000
    assert sum(row["rows"] for row in tables["calibration"]) == 2000


def test_the_same_run_gives_the_same_numbers(trained):
    again = run().train()
    assert again["auc"] == trained["bn"]["auc"]
    assert [row["test_loss"] for row in again["epochs"]] == [row["test_loss"] for row in trained["bn"]["epochs"]]


def test_equal_classes_have_as_many_rows_as_the_rarest(trained):
    assert {row["train_rows"] for row in trained["equal"]["auc"]} == {18}
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
    x, y = study.equal_classes(np.arange(9)[:, None], labels, seed=0)
    assert np.bincount(y).tolist() == [2, 2, 2]
    assert len(np.unique(x)) == 6
    np.testing.assert_array_equal(labels[x[:, 0]], y)


def test_evaluation_of_hand_made_probabilities():
    probabilities = np.array([[0.95, 0.05], [0.6, 0.4], [0.35, 0.65], [0.9, 0.1]])
    tables = study.evaluation_tables(probabilities, np.array([0, 0, 1, 1]), ("a", "b"), [20, 10])
    assert [row["auc"] for row in tables["auc"]] == [0.75, 0.75]
    assert [row["recall"] for row in tables["auc"]] == [1.0, 0.5]
    counts = {(row["true"], row["predicted"]): row["rows"] for row in tables["confusion"]}
    assert counts == {("a", "a"): 2, ("a", "b"): 0, ("b", "a"): 1, ("b", "b"): 1}
    top = tables["calibration"][-1]
    assert top == {"tenth": 9, "confidence": pytest.approx(0.925), "accuracy": 0.5, "rows": 2}


def test_difficulty_is_how_far_a_class_lies_below_the_others():
    rows = [{"class": name, "auc": value} for name, value in zip("abc", (0.6, 0.9, 0.9), strict=True)]
    setting = {"learning_rate": 1.0, "classes": "as drawn", "normalization": "bn", "seed": 0}
    table = study.difficulty(pd.DataFrame([{**setting, **row} for row in rows]))
    np.testing.assert_allclose(table.to_numpy(), [[0.3, -0.15, -0.15]])


def test_claims_on_known_effects():
    verdicts = claims.judge(study, made_up_tables())
    first = verdicts[verdicts.id == "G1"]
    assert set(first.verdict) == {"reproduced"}
    np.testing.assert_allclose(first.effect[:6], 30.0)
    np.testing.assert_allclose(first.effect[6:9], 29.5)
    np.testing.assert_allclose(first.effect[9:], 0.5)
    assert verdicts[verdicts.id == "G2"].effect.tolist() == pytest.approx([0.02] * 3)
    third = verdicts[verdicts.id == "G3"].set_index(["condition", "measure"]).effect.unstack("condition")
    hard, rare = (
        third.loc[third.index.str.startswith("AUC")].iloc[0],
        third.loc[third.index.str.startswith("the same")].iloc[0],
    )
    others = (4 * 0.9 + 2 * 0.8) / 6
    assert hard["vehic wind float (label 5, sorted by name)"] == pytest.approx((5 * 0.9 + 0.8) / 6 - 0.8)
    assert hard["containers (type 5 of UCI)"] == pytest.approx((others - 0.9) + 0.0, abs=0.02)
    assert rare["vehic wind non-float (the rarest)"] > 0.09
    assert rare["vehic wind float (label 5, sorted by name)"] < 0


def test_figures_are_drawn_from_the_tables_of_runs(trained):
    tables = {name: [] for name in trained["bn"]}
    for kind, classes, seed in itertools.product(study.NORMALIZATIONS, ("as drawn", "equal"), range(2)):
        setting = {"normalization": kind, "learning_rate": 1.0, "classes": classes, "seed": seed, "scale": "quick"}
        for name, rows in trained["bn" if classes == "as drawn" else "equal"].items():
            tables[name] += [{**setting, **row} for row in rows]
    figures = study.figures({name: pd.DataFrame(rows) for name, rows in tables.items()})
    assert list(figures) == ["accuracy", "roc", "difficulty", "confusion", "calibration"]
    for figure in figures.values():
        figure.canvas.draw()
        assert "sample of" in "".join(text.get_text() for text in figure.findobj(plt.Text)).replace("\n", " ")
        plt.close(figure)

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from bnkeras import claims
from bnkeras.studies import mnist_sigmoid as study
from bnkeras.studies.mnist_sigmoid import Run


@pytest.fixture(scope="module")
def records():
    """The tables of two short runs on the stand-in, which differ in the normalization alone."""
    return {
        kind: Run("mnist_sample", kind, 1.0, epochs=3, seed=0, probe_every=100).train() for kind in study.NORMALIZATIONS
    }


def made_up_tables(bn_final=0.90, base_final=0.94):
    """Tables of ten runs whose effects are known: BN reaches 85 % in epoch 3 and costs 20 % more time."""
    epochs, drift, auc = [], [], []
    for kind, seed in itertools.product(study.NORMALIZATIONS, range(5)):
        bn = kind == "bn"
        setting = {"learning_rate": 0.1, "normalization": kind, "seed": seed}
        final = (bn_final if bn else base_final) + 0.001 * seed
        accuracy = [0.5, 0.6, 0.85 if bn else 0.3 + 0.01 * seed, final]
        for epoch, value in enumerate(accuracy, start=1):
            seconds = 9.0 if epoch == 1 else 1.2 if bn else 1.0
            epochs.append({**setting, "epoch": epoch, "test_accuracy": value, "seconds": seconds})
        drift.append({**setting, "drift": (0.1 if bn else 0.7) + 0.01 * seed, "relative": 0.05 if bn else 0.35})
        auc += [{**setting, "class": name, "auc": 0.99 + 0.001 * name} for name in range(3)]
    return {name: pd.DataFrame(rows) for name, rows in (("epochs", epochs), ("drift", drift), ("auc", auc))}


def test_scales():
    assert {scale: len(study.runs(scale)) for scale in study.SCALES} == {"quick": 18, "laptop": 30, "paper": 30}
    for scale in study.SCALES:
        runs = study.runs(scale)
        assert len(set(runs)) == len(runs)


def test_paper_scale_is_ioffe_and_szegedys_fifty_thousand_steps():
    assert {run.epochs * 60_000 // run.batch_size for run in study.runs("paper")} == {50_000}


def test_model_is_784_100_100_100_10_with_sigmoids():
    base, bn = (study.build(Run("mnist", kind, 0.1, 1, seed=0, probe_every=1000)) for kind in study.NORMALIZATIONS)
    assert base.count_params() == 784 * 100 + 100 + 2 * (100 * 100 + 100) + 100 * 10 + 10
    assert bn.count_params() == base.count_params() - 300 + 3 * 4 * 100
    assert [layer.name for layer in bn.layers[2:5]] == ["hidden_1", "norm_1", "sigmoid_1"]
    for name in ("hidden_1", "hidden_2", "hidden_3", "logits"):
        np.testing.assert_array_equal(base.get_layer(name).get_weights()[0], bn.get_layer(name).get_weights()[0])
    assert np.std(base.get_layer("hidden_1").get_weights()[0]) == pytest.approx(0.05, rel=0.01)


def test_a_run_returns_a_row_per_epoch(records):
    table = pd.DataFrame(records["bn"]["epochs"])
    assert table.epoch.tolist() == [1, 2, 3]
    assert table.step.tolist() == [100, 200, 300]
    assert table.test_accuracy.between(0, 1).all()
    assert (table.seconds > 0).all()
    assert set(table.source) == {"MNIST, sample of 6,000 + 1,000 images"}


def test_bn_learns_the_stand_in_where_the_base_model_does_not(records):
    assert records["bn"]["epochs"][-1]["train_accuracy"] > 0.8
    assert records["none"]["epochs"][-1]["train_accuracy"] < 0.5


def test_a_run_returns_auc_and_roc_of_every_class(records):
    auc, roc = (pd.DataFrame(records["bn"][name]) for name in ("auc", "roc"))
    assert auc["class"].tolist() == list("0123456789")
    for name, curve in roc.groupby("class"):
        assert curve.tpr.is_monotonic_increasing
        assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auc.set_index("class").auc[name], abs=0.01)


def test_the_same_run_gives_the_same_numbers(records):
    again = Run("mnist_sample", "bn", 1.0, epochs=3, seed=0, probe_every=100).train()
    for name, rows in records["bn"].items():
        expected, found = (
            pd.DataFrame(table).drop(columns="seconds", errors="ignore") for table in (rows, again[name])
        )
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_percentile_tables_by_hand():
    # unit 0 wanders by 1 about its mean in every percentile, unit 1 by 2, unit 2 stays still
    rows = [
        {"step": step, "unit": unit, "percentile": percentile, "value": offset + move * unit_drift}
        for step, move in ((0, -1), (10, 1))
        for unit, unit_drift in ((0, 1), (1, 2), (2, 0))
        for percentile, offset in ((15, -3), (50, 0), (85, 3))
    ]
    percentiles, drift = study.percentile_tables(pd.DataFrame(rows))
    assert drift == [{"unit": 0, "drift": 1.0, "width": 6.0, "relative": pytest.approx(1 / 6)}]
    table = pd.DataFrame(percentiles).set_index(["percentile", "step"])
    assert table.typical[85].tolist() == [2, 4]
    assert table["mean"][50].tolist() == [-1, 1]


def test_effects_of_made_up_tables():
    verdicts = claims.judge(study, made_up_tables())
    assert verdicts.id.tolist() == ["M1", "M1", "M2", "M3", "M4", "M4", "M5"]
    assert verdicts.effect.tolist() == pytest.approx([53, 5, 4, 20, 0.6, 0.3, 0.002])
    assert set(verdicts.verdict) == {claims.REPRODUCED}
    assert set(verdicts.seeds) == {5}
    assert verdicts.condition.tolist() == ["learning rate 0.1"] * 3 + [""] + ["learning rate 0.1"] * 3


def test_m2_is_contradicted_when_bn_ends_higher():
    verdicts = claims.judge(study, made_up_tables(bn_final=0.98)).set_index("id")
    assert verdicts.verdict["M2"] == claims.CONTRADICTED


def test_figures(records):
    tables = {
        name: pd.concat(
            pd.DataFrame(tables[name]).assign(normalization=kind, learning_rate=1.0, seed=0)
            for kind, tables in records.items()
        )
        for name in records["bn"]
    }
    figures = study.figures(tables)
    assert list(figures) == ["accuracy", "percentiles", "roc", "seconds"]
    assert figures["accuracy"].axes[0].get_ylabel() == "test accuracy (%)"
    for figure in figures.values():
        assert "sample of" in figure.get_supxlabel()


def test_unknown_normalization():
    with pytest.raises(ValueError, match=r"normalization must be one of .*'bn'.*, got 'bm'"):
        study.build(dataclasses.replace(study.runs("quick")[0], normalization="bm"))

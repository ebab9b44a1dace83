import dataclasses
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkeras import claims, datasets
from bnkeras.studies import _placement
from bnkeras.studies import _placement_effects as effects
from bnkeras.studies import placement as study
from bnkeras.studies.placement import Run

RATES = (0.01, 0.02, 0.04)
ACCURACY = {"none": 0.90, "block 1": 0.98, "block 2": 0.96, "block 3": 0.95, "block 4": 0.85, "all": 0.97}


def made_up_tables(epochs=8):
    """Runs of known accuracies: base is stuck above 0.01 in models 1 and 3, and unsteady at 0.04 in model 2."""
    rows, final, blocks = [], [], []
    models = [*((2, kind) for kind in ACCURACY), (1, "none"), (1, "all"), (3, "none")]
    for data, (model, kind), rate, seed in itertools.product(("faces", "cifar10"), models, RATES, range(3)):
        if data == "cifar10" and (model != 2 or rate != 0.01):
            continue
        run = {"data": data, "model": model, "placement": kind, "before_pool": False, "augment": False}
        run |= {"learning_rate": rate, "seed": seed}
        stuck = model != 2 and kind == "none" and rate > 0.01
        level = 0.5 if stuck else ACCURACY[kind] - 0.001 * seed
        start = {"none": 6, "all": 2}.get(kind, 4) - (rate == 0.04)
        test = np.where(np.arange(1, epochs + 1) < start, 0.4, level)
        if (model, kind, rate) == (2, "none", 0.04):
            test[-2] -= 0.2
        for epoch, accuracy in enumerate(test, start=1):
            row = {**run, "epoch": epoch, "step": 10 * epoch, "source": f"{data}, made up", "scale": "quick"}
            row |= {"train_accuracy": accuracy, "train_loss": 1.0 if stuck else 0.1, "test_accuracy": accuracy}
            rows.append(row)
        final.append({**run, "entropy": 1.0, "majority": 0.5, "population_accuracy": test[-1]})
        if (data, model, rate) == ("faces", 2, 0.01):
            for step, layer in itertools.product((0, 40, 80), ("relu_1", "relu_2", "dense")):
                log = {"mean": 0.1, "std": 1.0 + seed, "dead": 0.1, "gradient_norm": 0.5}
                blocks.append({**run, "step": step, "layer": layer, **log, "scale": "quick"})
    return {"epochs": pd.DataFrame(rows), "final": pd.DataFrame(final), "blocks": pd.DataFrame(blocks)}


@pytest.fixture(scope="module")
def tables():
    return made_up_tables()


def run(**changes):
    settings = {"data": "faces_drawn", "pixels": 32, "model": 2, "placement": "block 1", "before_pool": False}
    settings |= {"augment": False, "learning_rate": 0.02, "epochs": 2, "seed": 1, "width": 2, "examples": 64}
    return Run(**{**settings, "test_examples": 32, **changes})


def test_scales():
    for scale, settings in study.SCALES.items():
        runs = study.runs(scale)
        assert len(set(runs)) == len(runs)
        table_2 = [r for r in runs if r.model == 2 and r.learning_rate == 0.01 and not (r.augment or r.before_pool)]
        faces = {(r.placement, r.seed) for r in table_2 if r.data.startswith("faces")}
        cifar10 = {(r.placement, r.seed) for r in table_2 if r.data.startswith("cifar10")}
        assert faces == set(itertools.product(study.PLACEMENTS, range(settings["seeds"][0])))
        assert cifar10 == set(itertools.product(study.PLACEMENTS, range(settings["seeds"][1])))
    assert study.SCALES["laptop"]["seeds"] >= (6, 3)
    paper = study.runs("paper")
    assert {(r.pixels, r.epochs, r.batch_size, r.width, r.examples) for r in paper if r.data == "faces"} == {
        (64, 40, 32, 64, None)
    }


def test_every_row_of_table_1_has_runs():
    for scale in study.SCALES:
        settings = {(r.model, r.placement, r.learning_rate) for r in study.runs(scale) if r.data.startswith("faces")}
        assert {row[:3] for row in effects.TABLE_1} <= settings


def test_a_run_returns_its_tables():
    result = run(probe=True).train()
    assert [row["epoch"] for row in result["epochs"]] == [1, 2]
    assert [row["step"] for row in result["epochs"]] == [2, 4]
    assert result["epochs"][0]["source"].endswith("the first 64 for training and 32 for test, reduced to 32x32")
    (final,) = result["final"]
    labels = datasets.load("faces_drawn").y_train[:64]
    shares = [np.mean(labels == label) for label in range(3)]
    np.testing.assert_allclose(final["entropy"], -sum(share * np.log(share) for share in shares), rtol=1e-6)
    assert 0 <= final["population_accuracy"] <= 1
    assert [row["layer"] for row in result["blocks"]] == ["relu_1", "relu_2", "relu_3", "relu_4", "dense"]


def test_a_run_repeats_itself_whatever_the_process_has_trained_before():
    first = run().train()
    run(learning_rate=0.04, seed=5).train()
    second = run().train()
    for row in (*first["epochs"], *second["epochs"]):
        row.pop("seconds")
    assert first == second


def test_learning_rate_decays_as_in_the_paper():
    callback = study._decay(0.02, 16)
    assert callback.schedule(0, None) == 0.02
    assert callback.schedule(10, None) == pytest.approx(0.02 / (1 + 1e-6 * 160), rel=1e-12)


def test_augmentation_and_pool_order_are_settings_of_their_own():
    plain, augmented, before = (
        run(**options).train()["epochs"] for options in ({}, {"augment": True}, {"before_pool": 1})
    )
    assert plain[0]["train_loss"] != augmented[0]["train_loss"]
    assert plain[0]["train_loss"] != before[0]["train_loss"]


def test_images_are_reduced_by_averaging():
    data = datasets.load("faces_drawn")
    x_train, y_train, x_test, _, source = _placement.images("faces_drawn", 32, 10, 5)
    assert x_train.shape == (10, 32, 32, 3)
    assert x_test.shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(y_train, data.y_train[:10])
    square = data.x_train[3, 4:6, 8:10, 1].astype("float64")
    assert x_train[3, 2, 4, 1] == pytest.approx(square.mean() / 255, rel=1e-6)
    assert "reduced to 32x32" in source
    assert "reduced" not in _placement.images("faces_drawn", 64)[-1]
    with pytest.raises(ValueError, match="`pixels`=48"):
        _placement.images("faces_drawn", 48)


def test_blocks():
    assert _placement.blocks("none", 1) == ()
    assert _placement.blocks("all", 1) == (1, 2, 3, 4, 5, 6)
    assert _placement.blocks("block 3", 2) == (3,)


def test_summary_of_runs():
    setting = {"data": "faces", "model": 2, "placement": "all", "before_pool": False, "augment": False}
    setting |= {"learning_rate": 0.01, "seed": 0}
    test = [0.2, 0.5, 0.9, 0.6, 0.8, 0.7, 0.985, 1.0]
    epochs = [
        {**setting, "epoch": i + 1, "test_accuracy": a, "train_accuracy": 1.0, "train_loss": 0.5, "source": "x"}
        for i, a in enumerate(test)
    ]
    final = [{**setting, "entropy": 1.0, "population_accuracy": 0.75}]
    tables = {"epochs": pd.DataFrame(epochs), "final": pd.DataFrame(final)}
    (row,) = effects.summary(tables).to_dict("records")
    assert row["accuracy"] == 100
    assert row["population"] == 75
    assert row["fall"] == pytest.approx(10)  # 0.8 to 0.7; the fall from 0.9 lies in the first half
    assert not row["stuck"]
    assert not row["stable"]
    assert row["epochs_test"] == 7  # 0.985 is above 99 % of (0.985 + 1) / 2
    assert row["epochs_train"] == 1


@pytest.mark.parametrize(("loss", "stuck"), [(0.94, False), (0.95, True), (2.0, True), (np.nan, True)])
def test_stuck_is_a_loss_that_knows_nothing_of_the_input(tables, loss, stuck):
    epochs = tables["epochs"].assign(train_loss=loss)
    runs = effects.summary({**tables, "epochs": epochs})
    assert (runs.stuck == stuck).all()
    assert not (runs.stuck & runs.stable).any()
    assert runs.epochs_test.isna().all() == stuck


def test_summary_finds_the_made_up_runs(tables):
    runs = effects.summary(tables)
    assert len(runs) == 3 * (3 * 9 + 6)
    stuck = runs[runs.stuck]
    assert set(zip(stuck.model, stuck.placement, stuck.learning_rate, strict=True)) == {
        (model, "none", rate) for model in (1, 3) for rate in (0.02, 0.04)
    }
    unsteady = runs[~runs.stable & ~runs.stuck]
    assert set(zip(unsteady.model, unsteady.placement, unsteady.learning_rate, strict=True)) == {(2, "none", 0.04)}


def test_verdicts_on_the_made_up_runs(tables):
    verdicts = claims.judge(study, tables).set_index(["id", "measure", "condition"])
    t1 = verdicts.loc["T1"]
    stable = t1.loc["share of runs as stable as reported, less one half"]
    assert stable.effect["model 1, base, learning rate 0.02"] == 0.5
    assert stable.effect["model 1, BN, learning rate 0.04"] == -0.5
    stuck = t1.loc["share of runs stuck, or not, as reported, less one half"]
    assert stuck.verdict["model 3, base, learning rate 0.01"] == claims.CONTRADICTED
    assert len(t1) == 18
    slope = verdicts.loc["T2"].xs("faces, learning rate 0.01", level="condition")
    expected = -np.polyfit(range(4), [98, 96, 95, 85], 1)[0]
    assert slope.loc["accuracy lost for each block that the layer moves back, points"].effect == pytest.approx(expected)
    assert slope.loc["test accuracy, layer after block 1 minus block 4, points"].effect == pytest.approx(13)
    lag = "test accuracy, layer after block 4, the population's statistics minus moving averages, points"
    assert (verdicts.loc["T2"].loc[lag].effect == 0).all()
    assert verdicts.loc["T3"].effect.to_numpy() == pytest.approx(2)
    t4 = verdicts.loc["T4"]
    doublings = t4.loc["largest learning rate that trains, BN over base, doublings"].effect
    assert doublings.to_dict() == {"model 1": 2.0, "model 2": 0.0}
    lead = t4.loc[("test accuracy, BN minus base, points", "model 1, learning rate 0.04")]
    assert lead.effect == pytest.approx(46.9)
    fewer = t4.loc["share of runs stuck, base minus BN, points"].effect
    assert fewer["model 1, learning rate 0.04"] == 100
    assert fewer["model 2, learning rate 0.04"] == 0
    t5 = verdicts.loc["T5"]
    assert (t5.xs("model 2", level="condition").effect.to_numpy() == [5, 5, 4, 4]).all()
    t6 = verdicts.loc["T6"]
    assert (t6.loc["test accuracy, model 1 minus model 3, beyond 1 point"].effect == -1).all()
    assert (t6.loc["test accuracy, model 1 minus model 3, beyond 1 point"].verdict == "contradicted").all()
    stuck = t6.loc["share of runs stuck, less one half"].effect
    assert stuck.to_dict() == {"learning rate 0.01": -0.5, "learning rate 0.02": 0.5, "learning rate 0.04": 0.5}
    assert t6.loc[("equal outputs and gradients for equal weights", "")].verdict == claims.HOLDS_EXACTLY


def test_the_first_block_loses_where_another_is_better(tables):
    epochs, final = (tables[name].copy() for name in ("epochs", "final"))
    better = epochs.placement == "block 3"
    epochs.loc[better & (epochs.epoch == 8), "test_accuracy"] = 0.99
    lead = effects.first_over_best_other({**tables, "epochs": epochs, "final": final})
    assert lead["faces, learning rate 0.01"].to_dict() == pytest.approx({seed: -1 - 0.1 * seed for seed in range(3)})


def test_tables_beside_the_papers(tables):
    table = effects.beside_table_1(tables)
    assert len(table) == 10
    assert table.iloc[1].to_dict() == {
        "model": "1",
        "BN": "no",
        "learning rate": "0.02",
        "reported": "33.94, unstable",
        "accuracy": "50.0 ± 0.0",
        "stable": "0 of 3",
        "stuck": "3 of 3",
    }
    table = effects.beside_table_2(tables)
    assert list(table["BN after"]) == list(study.PLACEMENTS)
    assert table.set_index("BN after").loc["block 4", ["faces, reported", "faces"]].tolist() == ["87.40", "84.9 ± 0.1"]


def test_figures(tables):
    figures = study.figures(tables)
    assert set(figures) == {"learning_rate", "placement", "heat_map", "convergence", "blocks"}
    titles = [axis.get_title() for axis in figures["learning_rate"].axes]
    assert titles[:3] == ["model 1, 3 seeds", "model 2, 3 seeds", "model 3, 3 seeds"]
    crosses = [line for line in figures["placement"].axes[0].lines if line.get_marker() == "x"]
    assert tuple(crosses[0].get_ydata()) == (99.83, 99.53, 97.79, 87.40)
    texts = [text.get_text() for text in figures["heat_map"].axes[0].texts]
    assert texts[:6] == ["89.9"] * 3 + ["97.9"] * 3
    assert "made up" in figures["blocks"].get_supxlabel()
    plt.close("all")


def test_no_augmentation_or_early_pool_among_the_plain_runs(tables):
    runs = effects.summary(tables)
    other = pd.concat([runs, runs.assign(augment=True), runs.assign(before_pool=True)])
    assert len(effects.plain(other)) == len(runs)
    assert set(effects.plain(other, model=1).model) == {1}


def test_run_is_hashable_and_frozen():
    assert hash(run()) == hash(run())
    with pytest.raises(dataclasses.FrozenInstanceError):
        run().seed = 3

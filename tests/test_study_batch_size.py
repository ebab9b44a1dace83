import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkeras import claims, statistics, training
from bnkeras.studies import _batches, _reuse
from bnkeras.studies import batch_size as study
from bnkeras.studies.batch_size import Run

IMAGES = 96


def run(**changes):
    settings = {
        "normalization": "bn",
        "batch_size": 32,
        "rule": "fixed",
        "learning_rate": 0.5,
        "epochs": 2,
        "steps": 4,
        "seed": 0,
        "jit": False,
    }
    return Run("mnist_sample", IMAGES, **{**settings, **changes})


@pytest.fixture(scope="module")
def images():
    return _batches.images("mnist_sample", IMAGES)


def trained(settings, images):
    model = _reuse.network(settings, (28, 28), 10)
    training.fit(
        model,
        *images[:2],
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=settings.seed,
        drop_remainder=True,
        jit=_reuse.jit(settings),
    )
    return model


def made_up_tables(lag=0.0):
    """Tables of all runs of a scale whose accuracies are known: BN 0.9, less at small batches; base 0.8."""
    rows = []
    drop = {1: 0.8, 4: 0.1, 64: 0.0, 256: 0.05}
    for item, budget in itertools.product(study.runs("quick"), ("epochs", "steps")):
        bn = item.normalization == "bn"
        value = (0.9 - drop[item.batch_size] if bn else 0.7 if item.batch_size == 256 else 0.8) + 0.001 * item.seed
        setting = {name: getattr(item, name) for name in ("normalization", "batch_size", "rule", "seed")}
        for kind in (_batches.MOVING, _batches.POPULATION, _batches.OWN) if bn else (_batches.MOVING,):
            accuracy = value + (lag if kind == _batches.POPULATION and item.batch_size == 256 else 0)
            row = {"budget": budget, "inference": kind, "test_accuracy": accuracy, "test_loss": 1 - accuracy}
            rows.append({**setting, **row, "source": "made up", "scale": "quick"})
    return {"epochs": pd.DataFrame(rows)}


def test_scales():
    assert {scale: len(study.runs(scale)) for scale in study.SCALES} == {"quick": 48, "laptop": 180, "paper": 300}
    for scale in study.SCALES:
        assert len(set(study.runs(scale))) == len(study.runs(scale))
    assert study.SCALES["paper"]["batch_sizes"] == (1, 2, 3, 4, 5, 6, 8, 10, 16, 32, 64, 128, 256, 512, 1024)


def test_learning_rates_meet_at_the_reference():
    rates = {(item.rule, item.batch_size): item.learning_rate for item in study.runs("quick")}
    assert rates["fixed", 1] == rates["fixed", 256] == rates["scaled", 64] == 0.5
    assert rates["scaled", 256] == 2.0
    assert rates["scaled", 1] == 0.5 / 64


def test_rows_at_both_checkpoints():
    rows = pd.DataFrame(run().train()["epochs"])
    assert rows[["budget", "step", "seen"]].drop_duplicates().to_numpy().tolist() == [
        ["steps", 4, 128],
        ["epochs", 6, 192],
    ]
    assert rows.inference.tolist() == [_batches.MOVING, _batches.POPULATION, _batches.OWN] * 2
    assert rows.source.unique().tolist() == ["MNIST, sample of 6,000 + 1,000 images, the first 96 for training"]


def test_more_steps_than_epochs_hold():
    rows = pd.DataFrame(run(normalization="none", steps=7).train()["epochs"])
    assert rows[["budget", "step"]].to_numpy().tolist() == [["epochs", 6], ["steps", 7]]
    assert rows.inference.unique().tolist() == [_batches.MOVING]


def test_a_batch_of_one_is_recorded_and_does_not_crash():
    rows = pd.DataFrame(run(batch_size=1, epochs=1, steps=5).train()["epochs"])
    assert np.isfinite(rows.test_loss).all()
    own = rows[rows.inference == _batches.OWN].test_accuracy
    # Every image is its own mean, so that all get the same prediction.
    assert own.between(0.05, 0.15).all()


def test_shared_programs_change_no_number(images):
    first = run().train()["epochs"]
    run(seed=1, learning_rate=0.1).train()
    assert run().train()["epochs"] == first
    _reuse._compiled.cache_clear()
    assert run().train()["epochs"] == first
    assert run(seed=1).train()["epochs"] != first


def test_checkpoint_equals_plain_training(images):
    x_test, y_test = images[2:4]
    row = run(normalization="none").train()["epochs"][-1]
    model = trained(run(normalization="none"), images)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    assert row["test_accuracy"] == pytest.approx(accuracy)
    assert row["test_loss"] == pytest.approx(loss, rel=1e-5)


def test_ways_of_inference_agree_with_the_statistics_tools(images):
    x_train, _, x_test, _, _ = images
    model = trained(run(), images)
    before = model.get_weights()
    outputs = _batches.inferences(x_train, x_test, 32)(model)
    np.testing.assert_array_equal(
        np.concatenate([w.ravel() for w in model.get_weights()]), np.concatenate([w.ravel() for w in before])
    )
    assert outputs[_batches.OWN].shape == (len(x_test) // 32 * 32, 10)
    with statistics.batch_statistics(model):
        own = model.predict(x_test[: len(outputs[_batches.OWN])], batch_size=32, verbose=0)
    np.testing.assert_allclose(outputs[_batches.OWN], own, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs[_batches.MOVING], model.predict(x_test, verbose=0), rtol=1e-4, atol=1e-4)
    statistics.estimate_population_statistics(model, x_train, batch_size=32, sequential=True, progress=False)
    population = model.predict(x_test, verbose=0)
    np.testing.assert_allclose(outputs[_batches.POPULATION], population, rtol=1e-3, atol=1e-3)


def test_claims_on_known_effects():
    verdicts = claims.judge(study, made_up_tables(lag=0.05)).set_index(["measure", "condition"])
    effect = verdicts.effect.round(6)
    measures = [claim.measure for claim in study.CLAIMS]
    words = "learning rate fixed, equal epochs"
    assert effect[measures[0], f"batch 1, {words}"] == 80
    assert effect[measures[0], f"batch 4, {words}"] == 10
    assert effect[measures[1], f"batch 4, {words}"] == 0.1
    assert effect[measures[2], f"batch 4, {words}"] == 10
    assert effect[measures[3], f"batch 1, {words}"] == 80
    assert effect[measures[4], f"batch 256, {words}"] == 5
    assert effect[measures[4], f"batch 4, {words}"] == 0
    assert effect[measures[5], words] == 10
    assert effect[measures[6], words] == 5
    assert (verdicts.seeds == 3).all()


def test_figures():
    for figure in study.figures(made_up_tables()).values():
        figure.canvas.draw()
        assert [axis.get_title() for axis in figure.axes[:2]] == [
            "learning rate fixed, equal epochs",
            "learning rate fixed, equal steps",
        ]
        plt.close(figure)

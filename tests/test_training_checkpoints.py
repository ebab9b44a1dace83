"""Training with tests along the way, ways of inference, scores, and networks that runs share."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import log_loss, roc_auc_score

from bnkeras import BatchNormLayer, batch_statistics, estimate_population_statistics, models, training
from bnkeras.models.renewed import _compiled
from bnkeras.studies import balanced_batches
from bnkeras.training import evaluation
from bnkeras.training.progress import file_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)
DATA = (X[:64], Y[:64], X[64:], Y[64:])


def build(normalization="bn", dropout=0.0, seed=0):
    mlp = models.mlp((6,), 3, normalization, units=(8, 8), stddev=0.5, seed=seed)
    return keras.Sequential([keras.Input((6,)), keras.layers.Dropout(dropout, seed=seed), mlp]) if dropout else mlp


def fresh(seed=0, learning_rate=0.1, **options):
    model = build(seed=seed, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(learning_rate), loss, metrics=["accuracy"])
    return model


def trained(model, **options):
    options = {"batch_size": 16, "epochs": 3, "seed": 5} | options
    rows = training.train_and_test(model, DATA, **options)
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_row_for_each_epoch_and_way_of_inference():
    rows = training.train_and_test(fresh(), DATA, batch_size=16, epochs=2, seed=0)
    assert [(row["epoch"], row["step"], row["inference"]) for row in rows] == [
        (epoch, 4 * epoch, way) for epoch in (1, 2) for way in ("moving averages", "population")
    ]
    assert all(row["seconds"] > 0 for row in rows)


def test_accuracy_and_loss_are_those_of_keras():
    model = fresh(normalization="none")
    row = trained(model)[-1]
    loss, accuracy = model.evaluate(*DATA[2:], verbose=0)
    assert (row["test_accuracy"], row["test_loss"]) == pytest.approx((accuracy, loss), rel=1e-5)
    history = training.fit(fresh(normalization="none"), *DATA[:2], batch_size=16, epochs=3, seed=5).history
    assert row["train_accuracy"] == pytest.approx(history["accuracy"][-1])
    assert row["train_loss"] == pytest.approx(history["loss"][-1], rel=1e-5)


def test_checkpoints_in_mid_epoch_and_beyond_the_epochs():
    rows = trained(fresh(normalization="none"), at={2, 8, 14}, epochs=1)
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 2), (2, 8), (4, 14)]
    assert rows[1]["test_loss"] == trained(fresh(normalization="none"), epochs=2)[-1]["test_loss"]


def test_all_ways_only_where_asked_for():
    rows = trained(fresh(), all_ways_at={12})
    assert [(row["epoch"], row["inference"]) for row in rows] == [
        (1, "moving averages"),
        (2, "moving averages"),
        (3, "moving averages"),
        (3, "population"),
    ]
    everywhere = [row for row in trained(fresh()) if row["epoch"] == 3]
    assert rows[2:] == everywhere


def test_validation_stands_beside_the_test():
    row = trained(fresh(normalization="none"), validation=DATA[:2])[-1]
    model = fresh(normalization="none")
    trained(model)
    assert row["validation_accuracy"] == pytest.approx(model.evaluate(*DATA[:2], verbose=0)[1])


def test_ways_of_inference_are_those_of_the_statistics_tools():
    model = fresh()
    trained(model)
    before = model.get_weights()
    found = {way: infer(DATA[2][:30]) for way, infer in training.ways_of_inference(model, DATA[0], own_batch_size=8)}
    np.testing.assert_equal(model.get_weights(), before)
    assert [len(outputs) for outputs in found.values()] == [30, 30, 24]
    with batch_statistics(model):
        own = model.predict(DATA[2][:24], batch_size=8, verbose=0)
    np.testing.assert_allclose(found["batch's own"], own, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["moving averages"], model.predict(DATA[2][:30], verbose=0), rtol=1e-4, atol=1e-4)
    estimate_population_statistics(model, DATA[0], batch_size=64, progress=False)
    np.testing.assert_allclose(found["population"], model.predict(DATA[2][:30], verbose=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalization", ["none", "bn"])
def test_logits_with_the_populations_statistics(normalization):
    model = fresh(normalization=normalization)
    trained(model)
    before = model.get_weights()
    found = training.population_logits(model, DATA[0], DATA[2])
    np.testing.assert_equal(model.get_weights(), before)
    if normalization == "bn":
        estimate_population_statistics(model, DATA[0], batch_size=64, progress=False)
    np.testing.assert_allclose(found, model.predict(DATA[2], verbose=0), rtol=1e-4, atol=1e-4)


def test_rows_by_budget():
    rows = [{"step": step, "inference": way} for step in (4, 6) for way in ("moving averages", "population")]
    found = training.by_budget(rows, {"epochs": 6, "steps": 4, "both": 6, "none": 0})
    assert [(row["budget"], row["step"]) for row in found] == [
        (name, step) for name, step in (("epochs", 6), ("steps", 4), ("both", 6)) for _ in range(2)
    ]
    assert found[1]["inference"] == "population"


def test_batches_of_one_without_a_warning():
    layer = BatchNormLayer()
    with training.batches_of_one():
        layer(np.ones((1, 3), "float32"), training=True)
    with pytest.warns(UserWarning, match="one value per channel"):
        layer(np.ones((1, 3), "float32"), training=True)


def test_a_way_that_breaks_off_leaves_the_model_as_it_was():
    model = fresh()
    before = model.get_weights()
    for way, _ in training.ways_of_inference(model, DATA[0], own_batch_size=8):
        if way == "population":
            break
    np.testing.assert_equal(model.get_weights(), before)
    assert {(layer.inference, layer.group_size) for layer in model.layers if isinstance(layer, BatchNormLayer)} == {
        ("population", None)
    }


def test_score_and_roc_against_scikit_learn():
    outputs = RNG.normal(size=(50, 3))
    labels = RNG.integers(0, 3, 50)
    found = evaluation.score(outputs, labels)
    assert found["accuracy"] == np.mean(outputs.argmax(1) == labels)
    assert found["loss"] == pytest.approx(log_loss(labels, np.exp(log_softmax(outputs, 1))))
    auc, roc = evaluation.roc_tables(outputs, labels, "abc")
    for index, row in enumerate(auc):
        assert row["auc"] == pytest.approx(roc_auc_score(labels == index, np.exp(log_softmax(outputs, 1))[:, index]))
    assert len(roc) == 3 * len(evaluation.ROC_GRID)
    assert evaluation.roc_tables(outputs * np.nan, labels, "abc") == ([], [])


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_renewed_network_is_a_new_one(dropout, momentum):
    def result(seed, cleared=False):
        if cleared:
            _compiled.cache_clear()
        model = models.renewed(build, ("bn", dropout), seed=seed, learning_rate=0.1, momentum=momentum)
        return trained(model, jit=True)

    new = result(1, cleared=True)
    other = result(2)
    assert result(1) == new
    assert result(2, cleared=True) == other != new


def test_a_networks_weights_hang_on_its_seed_alone():
    keras.utils.set_random_seed(0)
    first = build(seed=3).get_weights()
    keras.utils.set_random_seed(1)
    np.testing.assert_equal(build(seed=3).get_weights(), first)
    state = random.getstate()
    build(seed=4)
    assert random.getstate() == state
    kernels = {build(kind, seed=3).layers[1].kernel.numpy().tobytes() for kind in ("none", "ln", "ws")}
    assert len(kernels) == 1
    assert len({kernel.tobytes() for kernel in first if kernel.shape == (8, 8)}) == 1


def test_statistics_over_other_examples_than_those_trained_on():
    shifted = DATA[0] + np.float32(0.5)
    found = [row for row in trained(fresh(), statistics_over=shifted) if row["inference"] == "population"]
    model = fresh()
    plain = [row for row in trained(model) if row["inference"] == "population"]
    assert found[-1]["train_loss"] == plain[-1]["train_loss"]
    estimate_population_statistics(model, shifted, batch_size=64, progress=False)
    loss = evaluation.score(evaluation.logits(model, DATA[2]), DATA[3])["loss"]
    assert found[-1]["test_loss"] == pytest.approx(loss)
    assert found[-1]["test_loss"] != plain[-1]["test_loss"]


class Stops(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stopped", [[0], [1], [2], [1, 2]])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, stopped):
    path = tmp_path / "new" / "state.npz"

    def model():
        built = build("bn", seed=4)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        built.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
        return built

    expected, whole = trained(model()), model()
    trained(whole)
    for epoch in stopped:
        with pytest.raises(KeyboardInterrupt):
            trained(model(), resume_from=path, callbacks=[Stops(epoch)])
        assert path.exists() == (epoch > 0)
    last = model()
    rows = trained(last, resume_from=path)
    assert rows == expected
    for one, other in zip(last.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    again = model()
    assert trained(again, resume_from=path) == expected
    for one, other in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(path.parent.iterdir()) == [path]


def test_the_file_of_another_model(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(fresh(), resume_from=tmp_path / "state.npz", callbacks=[Stops(1)])
    with pytest.raises(ValueError, match=r"state\.npz must be of this model"):
        trained(fresh(normalization="none"), resume_from=tmp_path / "state.npz")


_TRAINED = """
import json
from bnkeras.studies import balanced_batches
print(json.dumps(balanced_batches.runs("quick")[10].train()))
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_in_another_process(tmp_path):
    def started(**changes):
        command, environment = [sys.executable, "-c", _TRAINED], os.environ | changes
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def tables(process):
        found = json.loads(process.communicate(timeout=300)[0].splitlines()[-1])
        for row in found["epochs"]:
            row.pop("seconds")
        return found

    folder = tmp_path / "state"
    with started(BNKERAS_CHECKPOINTS=str(folder)) as killed:
        while killed.poll() is None and not any(".part" not in path.name for path in folder.glob("*.npz")):
            time.sleep(0.02)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    (path,) = [path for path in folder.glob("*.npz") if ".part" not in path.name]
    with np.load(path) as kept:
        assert 1 <= kept["epoch"] < balanced_batches.runs("quick")[10].epochs
    assert tables(started(BNKERAS_CHECKPOINTS=str(folder))) == tables(started())
    assert not path.exists()


def test_a_file_for_each_run_where_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("BNKERAS_CHECKPOINTS", raising=False)
    first, other = balanced_batches.runs("quick")[:2]
    assert file_of(first) is None
    monkeypatch.setenv("BNKERAS_CHECKPOINTS", str(tmp_path))
    assert file_of(first).parent == tmp_path
    assert file_of(first) != file_of(other)
    assert file_of(first) == file_of(balanced_batches.runs("quick")[0])


def test_a_renewed_network_with_rmsprop():
    model = models.renewed(build, ("bn",), seed=3, learning_rate=0.01, rho=0.95)
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    first = trained(model)
    assert trained(models.renewed(build, ("bn",), seed=3, learning_rate=0.01, rho=0.95)) == first
    assert model.optimizer.rho == 0.95

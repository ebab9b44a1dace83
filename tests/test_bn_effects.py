"""The study of Schilling's thesis: what batch normalization does not see, runs, their settings, and how they fail."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from bnkeras import BatchNormLayer, sweep, training
from bnkeras.studies import bn_effects
from bnkeras.studies.bn_effects import effects

SMALL = {"data": "cifar10_drawn", "network": "CNN", "condition": "baseline", "normalization": "bn"}
SMALL |= {
    "learning_rate": 0.01,
    "batch_size": 64,
    "rule": "plateaus",
    "epochs": 1,
    "seed": 0,
    "examples": 200,
    "width": 2,
}


def gradients(function, values):
    """Gradients of a scalar function of a list of arrays, on TensorFlow or JAX."""
    if keras.config.backend() == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function)([jax.numpy.asarray(value) for value in values])]
    import tensorflow as tf

    values = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = function(values)
    return [g.numpy() for g in tape.gradient(loss, values)]


def output_and_gradients(layer, norm, kernel, x, dy):
    """What `norm(layer(x))` is in training, and the gradients of its product with `dy` for the kernel and for `x`."""

    def outputs(values):
        with keras.StatelessScope([(layer.kernel, ops.convert_to_tensor(values[0]))]):
            return norm(layer(values[1]), training=True)

    y = ops.convert_to_numpy(outputs([kernel, x]))
    return y, *gradients(lambda values: ops.sum(outputs(values) * dy), [kernel, x])


@pytest.mark.parametrize("scale", [1e-2, 0.5, 7.0, 300.0])
@pytest.mark.parametrize("norm", [BatchNormLayer, layers.BatchNormalization])
@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [(layers.Dense, {"units": 6}, (16, 5)), (layers.Conv2D, {"filters": 4, "kernel_size": 3}, (4, 8, 8, 3))],
)
def test_batch_normalization_is_blind_to_the_scale_of_the_weights(kind, options, shape, norm, scale):
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape).astype("float32")
    layer, norm = kind(**options), norm(epsilon=1e-12)
    layer.build(shape)
    norm.build(layer.compute_output_shape(shape))
    dy = generator.normal(size=layer.compute_output_shape(shape)).astype("float32")
    kernel = ops.convert_to_numpy(layer.kernel)
    y, dw, dx = output_and_gradients(layer, norm, kernel, x, dy)
    scaled_y, scaled_dw, scaled_dx = output_and_gradients(layer, norm, (scale * kernel).astype("float32"), x, dy)
    np.testing.assert_allclose(scaled_y, y, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(scaled_dx, dx, rtol=1e-3, atol=1e-3 * np.abs(dx).max())
    np.testing.assert_allclose(scaled_dw * scale, dw, rtol=1e-3, atol=1e-3 * np.abs(dw).max())


@pytest.mark.parametrize(
    ("setting", "known"), [("network", "CNN"), ("condition", "dropout"), ("rule", "plateaus"), ("normalization", "bn")]
)
def test_unknown_settings_are_answered_with_the_known(setting, known):
    with pytest.raises(ValueError, match=f"`{setting}` must be one of .*'{known}'.*Received: {setting}='other'"):
        bn_effects.Run(**SMALL | {setting: "other"})


def test_an_unknown_data_set_is_answered_with_the_known():
    run = bn_effects.Run(**SMALL | {"data": "cifar11"})
    with pytest.raises(ValueError, match=r"cifar10.*Received: name='cifar11'"):
        run.train()


@pytest.mark.parametrize("condition", bn_effects.CONDITIONS)
def test_every_condition_builds_both_networks(condition):
    for network, kind in itertools.product(("CNN", "MLP"), ("none", "bn")):
        model = bn_effects.build(network, (32, 32, 1), 10, condition, kind, 2, "float32", seed=0)
        assert any(isinstance(layer, BatchNormLayer) for layer in model.layers) == (kind == "bn")


def test_the_headlines_come_first_at_laptop_scale():
    runs = bn_effects.runs("laptop")
    shown = {(run.data, run.condition, run.learning_rate) for run in runs[:280] if run.network == "CNN"}
    assert shown >= {(name, "baseline", 0.01) for name in bn_effects.SCALES["laptop"]["sets"]}
    assert shown >= {("cifar10", name, 0.01) for name in ("sigmoid", "N(0, 1)")} | {("cifar10", "baseline", 0.1)}
    assert {run.batch_size for run in runs[:280] if run.network == "MLP"} == set(effects.BATCH_SIZES)


def test_runs_of_one_setting_and_seed_are_one():
    """Effects pair runs by setting and seed, so that none may be there twice with another budget."""
    names = ("data", "network", "condition", "normalization", "learning_rate", "batch_size", "rule", "dtype", "seed")
    for scale in bn_effects.SCALES:
        keys = [tuple(getattr(run, name) for name in names) for run in bn_effects.runs(scale)]
        assert len(set(keys)) == len(keys)


def test_a_scaled_rate_is_in_proportion_to_the_batch(monkeypatch):
    seen = []

    train_and_validate = training.train_and_validate

    def note(model, *args, callbacks, **options):
        seen.append((float(model.optimizer.learning_rate), float(model.optimizer.momentum), len(callbacks)))
        return train_and_validate(model, *args, callbacks=callbacks, **options)

    monkeypatch.setattr("bnkeras.training.train_and_validate", note)
    usual = SMALL | {"network": "MLP", "batch_size": 32, "learning_rate": 0.5}
    for changed in (
        {"rule": "scaled"},
        {"rule": "fixed"},
        {"rule": "scaled", "network": bn_effects.REPORT, "width": None},
    ):
        bn_effects.Run(**usual | changed).train()
    assert seen == [pytest.approx(case) for case in ((0.25, 0.9, 0), (0.5, 0.9, 0), (0.25, 0.0, 0))]


def test_a_run_gives_its_tables():
    found = bn_effects.Run(
        **SMALL | {"data": "mnist_sample", "network": "MLP", "condition": "dropout", "epochs": 2}
    ).train()
    assert found["entropy"] == pytest.approx(math.log(10), rel=0.02)
    assert [row["inference"] for row in found["epochs"]] == ["moving averages", "population"]
    assert [row["epoch"] for row in found["curves"]] == [1, 2]
    assert {(row["step"], row["layer"]) for row in found["layers"]} == {
        (step, f"relu_{number}") for step in (0, 2, 4) for number in (1, 2, 3)
    }
    assert {row["inference"] for row in found["shift"]} == {"moving averages", "population"}
    exact = {row["layer"]: row["shift"] for row in found["shift"] if row["inference"] == "population"}
    assert exact["norm_1"] == 1
    assert exact["norm_2"] < 0.9  # dropout makes the variance of the training larger


def test_a_run_that_diverges_is_recorded_as_diverged_and_counts_as_stuck(tmp_path):
    run = bn_effects.Run(
        **SMALL | {"condition": "N(0, 1)", "normalization": "none", "learning_rate": 1e30, "epochs": 3}
    )
    record, *_ = sweep.run_all([run], jobs=0, out=tmp_path, progress=False)
    assert record["status"] == "diverged"
    tables = sweep.tables([record])
    assert tables["epochs"].test_accuracy.isna().all()
    row, *_ = effects.summary(tables).itertuples()
    assert row.stuck
    assert row.points == 10  # chance's accuracy


def test_times_are_of_all_layers_in_every_round():
    timed = {"normalization": "all", "rule": "timed", "network": "MLP", "batch_size": 64, "examples": 128}
    found = bn_effects.Run(**SMALL | timed).train()
    assert found["epochs"] == []
    assert {(row["round"], row["layer"]) for row in found["overhead"]} == {
        (number, layer) for number in (1, 2, 3) for layer in ("none", "bn", "keras_bn")
    }

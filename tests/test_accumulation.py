"""Moving statistics under gradient accumulation: those of the whole batch, by hand, against Keras, in every way."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from bnkeras import BatchNormLayer, accumulate_statistics, estimate_population_statistics, swap, training

K, SIZE = 4, 8
X = noise(3 * K * SIZE, 5) * np.array([1, 3, 0.1, 1, 1], "float32") + np.array([0, 100, 1, -2, 0], "float32")
Y = noise(3 * K * SIZE, 1, seed=1)


def moving(layer):
    return [value_of(w) for w in layer.non_trainable_weights if w.name.startswith(("moving", "renorm"))]


def assert_equal_moving(layer, expected, rtol=1e-5):
    for value, other in zip(moving(layer), moving(expected), strict=True):
        np.testing.assert_allclose(value, other, rtol=rtol, atol=1e-6)


def network(norm, steps=None, rate=0.1, **compiling):
    """Normalized inputs, and deeper down a nested model with a layer of its own."""
    keras.utils.set_random_seed(3)
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Activation("tanh"), norm(name="deep")])
    layers = [keras.Input((5,)), norm(name="first", momentum=0.8), keras.layers.Dense(6), inner, keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5, gradient_accumulation_steps=steps), "mse", **compiling)
    return model


def accumulating(**compiling):
    model = network(BatchNormLayer, K, **compiling)
    accumulate_statistics(model)
    return model


def keras_fit(model, x=X, y=Y, batch_size=SIZE, epochs=2):
    model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)


def our_fit(model, jit="auto", x=X, y=Y, batch_size=SIZE, epochs=2):
    training.fit(model, x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, jit=jit)


@pytest.fixture(scope="module")
def whole():
    """Keras's layer, in a model that has seen whole batches."""
    model = network(keras.layers.BatchNormalization)
    keras_fit(model, batch_size=K * SIZE)
    return model


def test_by_hand():
    layer = BatchNormLayer(momentum=0.5, accumulation_steps=2)
    y = layer(np.array([[1.0], [3.0]], "float32"), training=True)
    np.testing.assert_allclose(value_of(y), [[-1], [1]], rtol=1e-3)
    assert [float(w[0]) for w in moving(layer)] == [0, 1]
    layer(np.array([[5.0], [9.0]], "float32"), training=True)
    # 1, 3, 5, 9 have mean 4.5 and variance 8.75.
    assert [float(w[0]) for w in moving(layer)] == [0.5 * 4.5, 0.5 + 0.5 * 8.75]
    layer(np.array([[7.0], [7.0]], "float32"), training=True)
    assert [float(w[0]) for w in moving(layer)] == [0.5 * 4.5, 0.5 + 0.5 * 8.75]
    assert [float(np.max(value_of(w))) for w in layer.weights[4:]] == [1, 2, 7, 0]


@pytest.mark.parametrize("way", ["graph", "xla", "eager", "chunks", "training.fit", "its graph"])
def test_equals_the_whole_batch_however_it_is_trained(whole, way):
    if way in ("eager", "its graph") and keras.config.backend() == "jax":
        pytest.skip("JAX compiles all")
    compiling = {"xla": {"jit_compile": True}, "eager": {"run_eagerly": True}, "chunks": {"steps_per_execution": 5}}
    model = accumulating(**compiling.get(way, {}))
    if way == "training.fit":
        our_fit(model)
    elif way == "its graph":
        our_fit(model, jit=False)
    else:
        keras_fit(model)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 6
    assert_equal_moving(model.get_layer("first"), whole.get_layer("first"))


def test_without_it_the_statistics_are_others(whole):
    model = network(BatchNormLayer, K)
    keras_fit(model)
    with pytest.raises(AssertionError):
        assert_equal_moving(model.get_layer("first"), whole.get_layer("first"), rtol=0.05)


@pytest.mark.parametrize("norm", [keras.layers.BatchNormalization, BatchNormLayer])
def test_behind_weights_it_equals_the_whole_batch_at_those_weights(norm):
    def model(norm, steps):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), norm(), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.1, gradient_accumulation_steps=steps), "mse")
        return model

    parts, batch = model(BatchNormLayer, K), model(norm, None)
    accumulate_statistics(parts)
    keras_fit(parts, X[: K * SIZE], Y[: K * SIZE], epochs=1)
    keras_fit(batch, X[: K * SIZE], Y[: K * SIZE], batch_size=K * SIZE, epochs=1)
    assert_equal_moving(parts.layers[1], batch.layers[1])


@settings(deadline=None, max_examples=15)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), masked=st.booleans(), axis=st.sampled_from([1, -1]))
def test_micro_batches_of_any_sizes_and_masks_pool_to_the_whole_batch(sizes, masked, axis):
    rng = np.random.default_rng(sum(sizes))
    batches = [rng.normal(50, 2, (size, 3, 4)).astype("float32") for size in sizes]
    masks = [rng.random((size, 3)) < 0.6 if masked else None for size in sizes]
    layer = BatchNormLayer(axis=axis, momentum=0.0, accumulation_steps=len(sizes))
    with np.errstate(all="ignore"):
        for x, mask in zip(batches, masks, strict=True):
            layer(x, training=True, mask=mask)
    x = np.concatenate(batches).astype("float64")
    kept = np.broadcast_to(np.concatenate(masks)[..., None] if masked else True, x.shape)
    x = np.moveaxis(np.where(kept, x, np.nan), axis, 0).reshape(x.shape[axis], -1)
    if np.isnan(x).all(1).any():
        return
    mean, variance = moving(layer)
    np.testing.assert_allclose(mean, np.nanmean(x, 1), rtol=1e-5)
    np.testing.assert_allclose(variance, np.nanvar(x, 1), rtol=1e-4, atol=1e-4)


def test_a_micro_batch_that_is_all_masked_does_not_count():
    layer, expected = BatchNormLayer(accumulation_steps=3), BatchNormLayer()
    for mask in ([1, 1, 0], [0, 0, 0], [0, 1, 1]):
        layer(X[:3], training=True, mask=np.array(mask, bool))
    expected(X[[0, 1, 1, 2]], training=True)
    assert_equal_moving(layer, expected)


@pytest.mark.parametrize(
    "arguments",
    [{"group_size": 4}, {"renorm": True, "renorm_clipping": {"rmax": 3, "dmax": 5}}, {"synchronized": True}],
)
def test_equals_the_whole_batch_with(arguments):
    parts, batch = BatchNormLayer(accumulation_steps=K, **arguments), BatchNormLayer(**arguments)
    for x in np.split(X, 3 * K):
        parts(x, training=True)
    for x in np.split(X, 3):
        batch(x, training=True)
    assert_equal_moving(parts, batch)


def test_renorm_normalizes_by_statistics_that_stay_through_an_accumulation():
    layer, expected = (BatchNormLayer(renorm=True, accumulation_steps=steps) for steps in (2, None))
    for x in np.split(X[:16], 2):
        expected.build(x.shape)
        np.testing.assert_array_equal(value_of(layer(x, training=True)), value_of(expected(x, training=True)))
        expected = BatchNormLayer(renorm=True)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
def test_half_precision_pools_in_single(dtype):
    layer, batch = BatchNormLayer(dtype=dtype, accumulation_steps=K), BatchNormLayer(dtype=dtype)
    x = ops.cast(X[: K * SIZE], dtype.removeprefix("mixed_"))
    for i in range(K):
        layer(x[i * SIZE : (i + 1) * SIZE], training=True)
    batch(x, training=True)
    assert {w.dtype for w in layer.weights[5:]} == {"float32"}
    assert_equal_moving(layer, batch, rtol=1e-5 if "mixed" in dtype else 1e-2)


def test_scaled_loss_of_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = accumulating()
    finally:
        keras.config.set_dtype_policy("float32")
    assert (
        model.optimizer.inner_optimizer.gradient_accumulation_steps == model.get_layer("first").accumulation_steps == K
    )


def test_an_epoch_may_end_within_an_accumulation():
    model, layer = accumulating(), BatchNormLayer(momentum=0.8)
    for epoch in range(4):
        keras_fit(model, X[: 3 * SIZE], Y[: 3 * SIZE], epochs=1)
        assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 3 * (epoch + 1) // K
    stream = np.tile(X[: 3 * SIZE], (4, 1))
    for x in np.split(stream, 3):
        layer(x, training=True)
    assert_equal_moving(model.get_layer("first"), layer)


def test_frozen_layers_pool_nothing():
    layer = BatchNormLayer(accumulation_steps=2, trainable=False)
    layer(X, training=True)
    assert not any(value_of(w).any() for w in layer.weights[4:])


def test_a_layer_called_twice_counts_twice():
    norm = BatchNormLayer(accumulation_steps=4, momentum=0.0)
    inputs = keras.Input((5,))
    model = keras.Model(inputs, norm(norm(inputs)))
    for x in (X[:8], X[8:16]):
        model(x, training=True)
    assert int(value_of(norm.accumulated_steps)) == 0
    np.testing.assert_allclose(moving(norm)[0], X[:16].mean(0) / 2, rtol=1e-3, atol=1e-3)


def test_a_saved_model_goes_on_in_the_middle_of_an_accumulation(tmp_path):
    model, through = accumulating(), accumulating()
    keras_fit(model, X[: 5 * SIZE], Y[: 5 * SIZE], epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("first").get_config() == model.get_layer("first").get_config()
    accumulate_statistics(loaded)
    keras_fit(loaded, X[5 * SIZE : 8 * SIZE], Y[5 * SIZE : 8 * SIZE], epochs=1)
    keras_fit(through, X[: 8 * SIZE], Y[: 8 * SIZE], epochs=1)
    for value, expected in zip(loaded.get_weights(), through.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-7)


def test_weights_pass_between_models_with_and_without(tmp_path):
    model, plain = (keras.Sequential([keras.Input((5,)), BatchNormLayer(), keras.layers.Dense(2)]) for _ in range(2))
    accumulate_statistics(model, steps=2)
    for x in np.split(X[: 3 * SIZE], 3):
        model(x, training=True)
    model.save_weights(tmp_path / "with.weights.h5")
    plain.load_weights(tmp_path / "with.weights.h5")
    np.testing.assert_array_equal(value_of(plain(X)), value_of(model(X)))
    plain.save_weights(tmp_path / "without.weights.h5")
    model.load_weights(tmp_path / "without.weights.h5")
    np.testing.assert_array_equal(value_of(plain(X)), value_of(model(X)))
    assert not any(value_of(w).any() for w in model.layers[0].weights[4:])
    layer = BatchNormLayer(scale=False, center=False)
    layer.build((None, 5))
    with pytest.raises(ValueError, match="6"):
        layer.load_own_variables({str(i): X[0] for i in range(6)})


def test_without_it_the_layer_has_the_weights_of_kerass():
    names = [
        [w.name for w in layer.weights] for layer in (network(BatchNormLayer), network(keras.layers.BatchNormalization))
    ]
    assert names[0] == names[1]


def test_keeps_step_with_the_optimizer():
    model = network(BatchNormLayer, K)
    keras_fit(model, X[: 5 * SIZE], Y[: 5 * SIZE], epochs=1)
    accumulate_statistics(model)
    first = model.get_layer("first")
    assert int(value_of(first.accumulated_steps)) == 1
    before = moving(first)[0]
    keras_fit(model, X[: 2 * SIZE], Y[: 2 * SIZE], epochs=1)
    np.testing.assert_array_equal(moving(first)[0], before)
    accumulate_statistics(model)
    assert int(value_of(first.accumulated_steps)) == 3
    assert value_of(first.accumulated_count)[0] == 2 * SIZE
    keras_fit(model, X[:SIZE], Y[:SIZE], epochs=1)
    assert int(value_of(first.accumulated_steps)) == 0
    expected = 0.8 * before + 0.2 * np.concatenate([X[: 2 * SIZE], X[:SIZE]]).mean(0)
    np.testing.assert_allclose(moving(first)[0], expected, rtol=1e-5, atol=1e-6)


def test_follows_the_optimizer_and_can_be_taken_back():
    model = accumulating()
    keras_fit(model, X[: 5 * SIZE], Y[: 5 * SIZE], epochs=1)
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    accumulate_statistics(model)
    layers = [model.get_layer("first"), model.layers[2].get_layer("deep")]
    assert [layer.accumulation_steps for layer in layers] == [2, 2]
    assert not any(value_of(w).any() for w in layers[0].weights[4:])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    accumulate_statistics(model)
    assert [len(layer.weights) for layer in layers] == [4, 4]
    keras_fit(model, epochs=1)
    keras_model = swap(model, to="keras")
    np.testing.assert_allclose(value_of(keras_model(X)), value_of(model(X)), rtol=1e-5, atol=1e-6)


def test_models_without_an_optimizer_take_steps():
    model = keras.Sequential([keras.Input((5,)), BatchNormLayer()])
    with pytest.raises(ValueError, match="steps=None"):
        accumulate_statistics(model)
    accumulate_statistics(model, steps=3)
    assert model.layers[0].accumulation_steps == 3
    with pytest.raises(ValueError, match="accumulation_steps"):
        swap(model, to="keras")


def test_population_statistics_of_a_model_that_accumulates():
    model = accumulating()
    keras_fit(model, X[: 5 * SIZE], Y[: 5 * SIZE], epochs=1)
    estimate_population_statistics(model, X)
    np.testing.assert_allclose(moving(model.get_layer("first"))[0], X.mean(0), rtol=1e-4, atol=1e-5)


def test_bad_input():
    for steps in (0, 2.0, True):
        with pytest.raises(ValueError, match=f"accumulation_steps={steps}"):
            BatchNormLayer(accumulation_steps=steps)
        with pytest.raises(ValueError, match=f"steps={steps}"):
            accumulate_statistics(network(BatchNormLayer), steps=steps)
    with pytest.raises(ValueError, match=r"swap.*first.*deep"):
        accumulate_statistics(network(keras.layers.BatchNormalization, K))
    with pytest.raises(ValueError, match="not built"):
        accumulate_statistics(keras.Sequential([BatchNormLayer()]), steps=2)
    with pytest.raises(TypeError, match="BatchNorm"):
        accumulate_statistics(BatchNormLayer())


def deviations(size, depth=5, width=64, steps=8):
    """How far the statistics of an update are from those of the whole batch, in its deviations, by depth."""

    def updated(steps):
        keras.utils.set_random_seed(0)
        layers = [[keras.layers.Dense(width), BatchNormLayer(momentum=0.0), keras.layers.ReLU()] for _ in range(depth)]
        model = keras.Sequential([keras.Input((32,)), *(layer for block in layers for layer in block)])
        accumulate_statistics(model, steps=steps)
        return model, [layer for _, layer, _ in layers]

    x = noise(size * steps, 32, seed=7)
    (parts, ours), (batch, whole) = updated(steps), updated(1)
    for part in np.split(x, steps):
        parts(part, training=True)
    batch(x, training=True)
    pairs = [(moving(a), moving(b)) for a, b in zip(ours, whole, strict=True)]
    return (
        [np.sqrt(np.mean((a[0] - b[0]) ** 2 / b[1])) for a, b in pairs],
        [np.sqrt(np.mean((a[1] / b[1] - 1) ** 2)) for a, b in pairs],
    )


def test_exact_in_the_first_layer_and_about_right_behind_it():
    at_16, at_64 = deviations(16), deviations(64)
    for of_mean, of_variance in (at_16, at_64):
        assert of_mean[0] < 1e-5
        assert of_variance[0] < 1e-5
        assert min(of_mean[1:] + of_variance[1:]) > 1e-4
    # Of order 1 / size of a micro-batch.
    for small, large in zip((*at_64[0][1:], *at_64[1][1:]), (*at_16[0][1:], *at_16[1][1:]), strict=True):
        assert small < large / 2
    assert max(at_64[0] + at_64[1]) < 0.2


OVER_DEVICES = """
import contextlib, json, os, sys
backend = os.environ["KERAS_BACKEND"]
if backend == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras
import numpy as np
from bnkeras import BatchNormLayer, accumulate_statistics

if backend == "tensorflow":
    import tensorflow as tf
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
else:
    scope = keras.distribution.DataParallel().scope

def train(steps, x, y, size, synchronized):
    with scope():
        norm = BatchNormLayer(synchronized=synchronized)
        model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
        # Keras's optimizers do not accumulate gradients under a strategy of TensorFlow's.
        model.compile(keras.optimizers.SGD(0.0), "mse")
        accumulate_statistics(model, steps=steps)
        model.fit(x, y, batch_size=size, shuffle=False, verbose=0)
        return [np.asarray(keras.ops.convert_to_numpy(w)).tolist() for w in (norm.moving_mean, norm.moving_variance)]

rng = np.random.default_rng(0)
x, y = (rng.normal(size=(32, 3)) + np.arange(32)[:, None] / 4).astype("float32"), np.zeros((32, 1), "float32")
# Each of two micro-batches of 8 is shared out to two devices: these orders give both the same examples in both ways.
order = np.arange(32).reshape(2, 2, 2, 4).transpose(0, 2, 1, 3).reshape(32)
results = [[train(2, x, y, 8, sync), train(1, x[order], y, 16, sync)] for sync in (False, True)]
json.dump(results, sys.stdout)
"""


@pytest.mark.slow
def test_each_device_pools_its_own_micro_batches():
    environment = os.environ | {"KERAS_BACKEND": keras.config.backend(), "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        [sys.executable, "-c", OVER_DEVICES], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    for ours, whole in json.loads(run.stdout):
        np.testing.assert_allclose(ours, whole, rtol=1e-5, atol=1e-6)

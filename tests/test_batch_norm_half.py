"""`BatchNormLayer` in half precision against the formula in NumPy's float64, to the rounding of the dtype."""

import keras
import numpy as np
import pytest
from keras import ops

from bnkeras.layers import BatchNormLayer, _fused_groups

# Twice the largest relative error of one rounding.
EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
# Mean and standard deviation of the inputs: a plain case, and two where sums in half precision lose the variance.
INPUTS = [(0.0, 1.0), (8.0, 0.25), (100.0, 1.0)]
# Channels that fill whole vectors go into TensorFlow's fused kernel, others do not.
SHAPES = [(32, 8, 8, 16), (16, 5, 5, 3)]
AXES = (0, 1, 2)


def rounded(array, dtype):
    """An array as tensor in half precision, and in float64 after that rounding."""
    tensor = ops.cast(ops.convert_to_tensor(array.astype("float32")), dtype)
    return tensor, wide(tensor)


def wide(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")), "float64")


def drawn(shape, dtype, mean, deviation):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(mean, deviation, shape), rng.normal(size=shape)
    gamma, beta = rng.uniform(0.5, 2, shape[-1]), rng.normal(size=shape[-1])
    layer = BatchNormLayer(momentum=0.0, dtype=f"mixed_{dtype}")
    layer.build(shape)
    layer.set_weights([gamma, beta, x.mean(AXES), 1.1 * x.var(AXES)])
    return layer, x, dy, [w.astype("float64") for w in layer.get_weights()]


def compiled(function, mode):
    if mode == "eager":
        return function
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=mode == "xla")


def float32_error(mean, deviation):
    """What float32 loses where the mean is subtracted, relative to the result."""
    return 2.0**-21 * (1 + mean / deviation)


def assert_one_rounding(y, expected, dtype, before):
    """Half a unit in the last place, after an error `before`."""
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    slack = before * np.abs(expected).max()
    assert (np.abs(wide(y) - expected) <= 0.5 * EPSILON[dtype] * np.abs(expected) + slack).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mean", "deviation"), INPUTS)
@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_output_and_statistics(mode, dtype, mean, deviation, shape):
    if keras.config.backend() != "tensorflow" and mode == "xla":
        pytest.skip("JAX compiles by XLA alone")
    layer, x, _, (gamma, beta, moving_mean, moving_variance) = drawn(shape, dtype, mean, deviation)
    x, x64 = rounded(x, dtype)
    infer = compiled(lambda x: layer(x, training=False), mode)
    expected = gamma * (x64 - moving_mean) / np.sqrt(moving_variance + 1e-3) + beta
    assert_one_rounding(infer(x), expected, dtype, float32_error(mean, deviation))

    def train(x):
        with keras.StatelessScope() as scope:
            y = layer(x, training=True)
        return y, *(scope.get_current_value(w) for w in (layer.moving_mean, layer.moving_variance))

    y, new_mean, new_variance = compiled(train, mode)(x)
    expected = gamma * (x64 - x64.mean(AXES)) / np.sqrt(x64.var(AXES) + 1e-3) + beta
    assert_one_rounding(y, expected, dtype, float32_error(mean, deviation))
    assert {keras.backend.standardize_dtype(s.dtype) for s in (new_mean, new_variance)} == {"float32"}
    np.testing.assert_allclose(wide(new_mean), x64.mean(AXES), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(wide(new_variance), x64.var(AXES), rtol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mean", "deviation"), INPUTS)
@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_gradients(mode, dtype, mean, deviation, shape):
    import tensorflow as tf

    layer, x, dy, (gamma, *_) = drawn(shape, dtype, mean, deviation)
    (x, x64), (dy, dy64) = rounded(x, dtype), rounded(dy, dtype)

    def gradients(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return tape.gradient(y, [x, layer.gamma.value, layer.beta.value], output_gradients=dy)

    scale = 1 / np.sqrt(x64.var(AXES) + 1e-3)
    normalized = scale * (x64 - x64.mean(AXES))
    expected = (
        gamma * scale * (dy64 - dy64.mean(AXES) - normalized * (dy64 * normalized).mean(AXES)),
        (dy64 * normalized).sum(AXES),
        dy64.sum(AXES),
    )
    found = compiled(gradients, mode)(x, dy)
    assert [gradient.dtype.name for gradient in found] == [dtype, "float32", "float32"]
    sums = 10 * float32_error(mean, deviation)
    for ours, exact, tolerance in zip(found, expected, (EPSILON[dtype], sums, sums), strict=True):
        assert np.abs(wide(ours) - exact).max() <= tolerance * np.abs(exact).max()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dtype", EPSILON)
def test_groups(monkeypatch, dtype, fused):
    monkeypatch.setattr(_fused_groups, "MIN_GROUP_ELEMENTS", 0 if fused else 10**9)
    # Squares overflow in float16.
    x, exact = rounded(np.random.default_rng(0).normal(1000, 2000, (8, 4, 4, 16)), dtype)
    layer = BatchNormLayer(group_size=4, momentum=0.0, epsilon=1e-2, dtype=f"mixed_{dtype}")
    y = layer(x, training=True)
    groups = exact.reshape(2, -1, 16)
    mean, variance = groups.mean(1, keepdims=True), groups.var(1, keepdims=True)
    np.testing.assert_allclose(wide(layer.moving_mean), mean.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(wide(layer.moving_variance), variance.mean((0, 1)), rtol=1e-5)
    assert_one_rounding(y, ((groups - mean) / np.sqrt(variance + 1e-2)).reshape(x.shape), dtype, float32_error(1, 2))

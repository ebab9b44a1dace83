"""Weight standardization: Qiao et al.'s formula by hand and in NumPy, gradients, groups, serialization, refusals."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from bnkeras.layers import WSConv1D, WSConv2D, WSConv3D, WSDense
from bnkeras.layers.weight_standardization import standardize

to_numpy = ops.convert_to_numpy
CASES = [
    (WSDense, layers.Dense, (4, 5), {"units": 3, "activation": "relu"}),
    (WSDense, layers.Dense, (4, 2, 5), {"units": 3, "use_bias": False}),
    (WSConv1D, layers.Conv1D, (2, 9, 4), {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    (WSConv1D, layers.Conv1D, (2, 9, 4), {"filters": 6, "kernel_size": 3, "strides": 2, "groups": 2}),
    (WSConv1D, layers.Conv1D, (2, 4, 9), {"filters": 2, "kernel_size": 3, "data_format": "channels_first"}),
    (WSConv2D, layers.Conv2D, (2, 6, 6, 4), {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "tanh"}),
    (WSConv2D, layers.Conv2D, (2, 6, 6, 4), {"filters": 8, "kernel_size": (3, 1), "dilation_rate": 2}),
    (WSConv3D, layers.Conv3D, (2, 4, 4, 4, 3), {"filters": 2, "kernel_size": 2, "strides": 2, "use_bias": False}),
]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.3, 2, shape).astype("float32")


def standardized(kernel):
    """The formula in NumPy float64, output by output."""
    flat = kernel.astype("float64").reshape(-1, kernel.shape[-1])
    columns = [(w - w.mean()) / (np.sqrt(((w - w.mean()) ** 2).mean()) + 1e-5) for w in flat.T]
    return np.stack(columns, -1).reshape(kernel.shape)


def test_by_hand():
    kernel = np.array([[1.0, 10.0], [3.0, 10.0]], "float32")
    np.testing.assert_allclose(to_numpy(standardize(kernel)), [[-1, 0], [1, 0]], rtol=2e-5)


@pytest.mark.parametrize(("ours", "theirs", "shape", "kwargs"), CASES)
def test_equals_the_parent_with_a_standardized_kernel(ours, theirs, shape, kwargs, tmp_path):
    layer, parent = ours(bias_initializer="ones", **kwargs), theirs(**kwargs)
    layer.build(shape)
    parent.build(shape)
    layer.set_weights([draw(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
    kernel, *bias = layer.get_weights()
    parent.set_weights([standardized(kernel), *bias])
    x = draw(*shape, seed=9)
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(parent(x)), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(to_numpy(layer.kernel), kernel)
    assert [w.name for w in layer.weights] == [w.name for w in parent.weights]
    assert layer.get_config().keys() == {*parent.get_config(), "scale"}
    model = keras.Sequential([layer])
    model.build(shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is ours
    np.testing.assert_allclose(to_numpy(loaded(x)), to_numpy(layer(x)), rtol=1e-6)


@pytest.mark.tensorflow
def test_gradients():
    import tensorflow as tf

    weighting = draw(3, 2, seed=4).astype("float64")
    kernel = tf.constant(draw(3, 2).astype("float64"))
    (analytic,), (numeric,) = tf.test.compute_gradient(
        lambda k: tf.reduce_sum(standardize(k) * weighting), [kernel], delta=1e-6
    )
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.tensorflow
@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_constant_kernel_is_finite(value):
    import tensorflow as tf

    layer = WSDense(3, kernel_initializer=keras.initializers.Constant(value))
    with tf.GradientTape() as tape:
        y = layer(draw(4, 7))
        loss = tf.reduce_sum(y**2 + y)
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
    assert np.abs(y).max() < 0.1
    assert all(np.isfinite(g).all() for g in gradients)


def test_trains_the_stored_kernel():
    model = keras.Sequential([keras.Input((6,)), WSDense(4, activation="tanh"), WSDense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.layers[0].get_weights()[0]
    x = draw(32, 6)
    losses = model.fit(x, x[:, :1], epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert np.abs(model.layers[0].get_weights()[0] - before).max() > 1e-3


def test_mixed_precision_standardizes_in_float32():
    layer = WSDense(2, use_bias=False, dtype="mixed_float16")
    layer.build((None, 4))
    layer.set_weights([300 * draw(4, 2)])
    y = layer(np.eye(4, dtype="float32"))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    np.testing.assert_allclose(to_numpy(y), standardized(layer.get_weights()[0]), rtol=1e-2, atol=5e-3)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(WSDense(3), (None, 1)), (WSConv2D(3, 1), (None, 5, 5, 1)), (WSConv2D(4, 1, groups=4), (None, 5, 5, 4))],
)
def test_one_weight_per_output_is_refused(layer, shape):
    with pytest.raises(ValueError, match=r"input_shape=.*\((1, )+[34]\)"):
        layer.build(shape)


def test_quantized_dtypes_are_refused():
    with pytest.raises(ValueError, match="int8_from_float32"):
        WSDense(4, dtype="int8_from_float32")


def test_quantization_is_refused():
    layer = WSDense(3)
    layer.build((None, 4))
    with pytest.raises(NotImplementedError, match="cannot be quantized"):
        layer.quantize("int8")


def test_scale_is_the_standard_deviation_of_the_kernel_in_use():
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    plain, scaled = WSDense(3, use_bias=False), WSDense(3, use_bias=False, scale=0.05)
    y = plain(x)
    scaled.build(x.shape)
    scaled.set_weights(plain.get_weights())
    np.testing.assert_allclose(scaled(x), 0.05 * np.asarray(y), rtol=1e-5)
    assert WSDense.from_config(scaled.get_config()).scale == 0.05
    with pytest.raises(ValueError, match="scale=0"):
        WSDense(3, scale=0)

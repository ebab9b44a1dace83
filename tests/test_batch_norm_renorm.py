"""Batch renormalization against Keras's layer, over settings drawn at random."""

import inspect

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers, ops

from bnkeras import BatchNormLayer, training

pytestmark = pytest.mark.skipif(
    "renorm" not in inspect.signature(layers.BatchNormalization.__init__).parameters, reason="Keras without renorm"
)


def drawn(seed):
    """Settings, inputs, a mask and weights."""
    generator = np.random.default_rng(seed)
    shape = tuple(int(n) for n in generator.integers(2, 6, size=generator.integers(2, 5)))
    axis = int(generator.integers(1, len(shape)))
    limits = {"rmax": generator.uniform(1, 3), "rmin": generator.uniform(0, 1), "dmax": generator.uniform(0, 3)}
    options = {
        "axis": axis,
        "momentum": generator.uniform(),
        "epsilon": 10 ** generator.uniform(-5, -1),
        "center": bool(generator.integers(2)),
        "scale": bool(generator.integers(2)),
        "renorm": True,
        "renorm_clipping": {name: float(limits[name]) for name in limits if generator.integers(2)} or None,
        "renorm_momentum": generator.uniform(),
        "trainable": bool(generator.integers(5)),
    }
    x = generator.normal(size=shape).astype("float32") * 2 + 1
    masked = axis == len(shape) - 1 and len(shape) > 2 and generator.integers(2)
    mask = generator.integers(4, size=shape[:-1]) > 0 if masked else None
    weights = [generator.uniform(0.5, 2, shape[axis]) for _ in range(5 + options["center"] + options["scale"])]
    return options, x, mask, weights


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_equals_keras_layer(first):
    for seed in range(first, first + 10):
        options, x, mask, weights = drawn(seed)
        results = []
        for norm in (BatchNormLayer, layers.BatchNormalization):
            layer = norm(**options)
            layer.build((None, *x.shape[1:]))
            layer.set_weights(weights)
            outputs = [ops.convert_to_numpy(layer(x * step, training=True, mask=mask)) for step in (1, 3)]
            outputs.append(ops.convert_to_numpy(layer(x, training=False, mask=mask)))
            results.append((outputs, [value_of(w) for w in layer.weights], [w.name for w in layer.weights]))
        (outputs, moved, names), (theirs, expected, their_names) = results
        assert names == their_names
        for ours, keras_own in zip(outputs + moved, theirs + expected, strict=True):
            np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-5, err_msg=f"seed {seed}: {options}")


@pytest.mark.slow
def test_trains_as_keras_layer():
    x, y = noise(42, 6), noise(42, 2, seed=1)

    def weights_after(fit, norm, **options):
        keras.utils.set_random_seed(0)
        renorm = norm(renorm=True, renorm_clipping={"rmax": 1.5, "rmin": 0.5, "dmax": 0.5}, renorm_momentum=0.8)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(5), renorm, layers.Dense(2)])
        model.compile(keras.optimizers.SGD(0.1), "mse", **options)
        fit(model, x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    expected = weights_after(keras.Model.fit, layers.BatchNormalization)
    compiled_by_xla = weights_after(keras.Model.fit, BatchNormLayer, jit_compile=True)
    for found in (
        weights_after(keras.Model.fit, BatchNormLayer),
        compiled_by_xla,
        weights_after(training.fit, BatchNormLayer),
    ):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_by_the_formula(dtype):
    # Sums of squares that overflow in float16, and whose variance is lost in bfloat16.
    generator = np.random.default_rng(0)
    x = ops.cast(generator.normal([300, -20, 5], [40, 30, 2], size=(64, 3)).astype("float32"), dtype)
    gamma, beta, renorm_mean = generator.normal(size=(3, 3))
    renorm_stddev, moving_stddev = generator.uniform(1, 50, size=(2, 3))
    clipping = {"rmax": 3.0, "rmin": 0.5, "dmax": 2.0}
    layer = BatchNormLayer(
        momentum=0.5, renorm=True, renorm_clipping=clipping, renorm_momentum=0.25, dtype=f"mixed_{dtype}"
    )
    layer.build(x.shape)
    layer.set_weights([gamma, beta, np.zeros(3), moving_stddev**2, moving_stddev, renorm_mean, renorm_stddev])
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    x = ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64")
    mean, sigma = x.mean(0), np.sqrt(x.var(0) + 1e-3)
    r = np.clip(sigma / renorm_stddev, 0.5, 3)
    d = np.clip((mean - renorm_mean) / renorm_stddev, -2, 2)
    expected = gamma * ((x - mean) / sigma * r + d) + beta
    rounding = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype]
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(y, "float32")), expected, rtol=1.01 * rounding, atol=1e-5)
    moving = (moving_stddev + sigma) / 2
    statistics = [mean / 2, moving**2 - 1e-3, moving, (renorm_mean + 3 * mean) / 4, (renorm_stddev + 3 * sigma) / 4]
    for weight, value in zip(layer.weights[2:], statistics, strict=True):
        assert weight.dtype == "float32"
        np.testing.assert_allclose(value_of(weight), value, rtol=1e-5, err_msg=weight.name)


def test_limits_that_leave_no_room_give_batch_normalization():
    x = noise(8, 3)
    plain, renorm = BatchNormLayer(), BatchNormLayer(renorm=True, renorm_clipping={"rmax": 1, "rmin": 1, "dmax": 0})
    np.testing.assert_allclose(*(ops.convert_to_numpy(one(x, training=True)) for one in (plain, renorm)), rtol=1e-5)
    assert [w.name for w in plain.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_configurations_pass_either_way():
    theirs = layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": 2.0}, renorm_momentum=0.5)
    ours = BatchNormLayer.from_config(theirs.get_config())
    assert (ours.renorm, ours.renorm_clipping, ours.renorm_momentum) == (True, {"dmax": 2.0}, 0.5)
    ours_alone = ("group_size", "inference", "accumulation_steps")
    own = {name: value for name, value in ours.get_config().items() if name not in ours_alone}
    assert layers.BatchNormalization.from_config(own).get_config() == theirs.get_config()

"""Batch renormalization against Keras's layer, over settings drawn at random."""

import inspect

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers, ops

from bnkeras import BatchNormLayer

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
    x, y = noise(40, 6), noise(40, 2, seed=1)
    weights = []
    for norm in (BatchNormLayer, layers.BatchNormalization):
        keras.utils.set_random_seed(0)
        renorm = norm(renorm=True, renorm_clipping={"rmax": 1.5, "rmin": 0.5, "dmax": 0.5}, renorm_momentum=0.8)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(5), renorm, layers.Dense(2)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_configurations_pass_either_way():
    theirs = layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": 2.0}, renorm_momentum=0.5)
    ours = BatchNormLayer.from_config(theirs.get_config())
    assert (ours.renorm, ours.renorm_clipping, ours.renorm_momentum) == (True, {"dmax": 2.0}, 0.5)
    own = {name: value for name, value in ours.get_config().items() if name not in ("group_size", "inference")}
    assert layers.BatchNormalization.from_config(own).get_config() == theirs.get_config()

"""`freeze` and `unfreeze`: what the next training changes, in models that have been trained already."""

import warnings

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers

from bnkeras import BatchNormLayer, estimate_population_statistics, freeze, training, unfreeze

NORMS = pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])
STATISTICS, AFFINE = ("moving_mean", "moving_variance"), ("gamma", "beta")
X, Y = 3 * noise(64, 6) + 5, np.arange(64) % 2


def compiled(model, optimizer=None):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss)
    return model


def net(norm=layers.BatchNormalization, optimizer=None):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8,)), norm(name="inside"), layers.ReLU()], name="inner")
    outer = [layers.Dense(8), norm(name="outside"), layers.ReLU(), inner, layers.Dense(2)]
    return compiled(keras.Sequential([keras.Input((6,)), *outer]), optimizer)


def norms(model):
    return {"outside": model.get_layer("outside"), "inside": model.get_layer("inner").get_layer("inside")}


def values(model):
    layers = norms(model).items()
    return {(key, name): value_of(getattr(layer, name)) for key, layer in layers for name in STATISTICS + AFFINE}


def moved(model, fit=None):
    """What a training step or two change of the normalization layers, as names of weights, the same in all layers."""
    before = values(model)
    (fit or (lambda: model.fit(X, Y, batch_size=32, verbose=0)))()
    after = values(model)
    changed = {
        key: {name for name in STATISTICS + AFFINE if (before[key, name] != after[key, name]).any()}
        for key in norms(model)
    }
    assert changed["inside"] == changed["outside"]
    return changed["inside"]


@pytest.mark.parametrize("own", [False, True])
@NORMS
def test_what_moves_after_each(norm, own):
    model = net(norm)
    fit = (lambda: training.fit(model, X, Y, batch_size=32)) if own else None
    assert moved(model, fit) == {*STATISTICS, *AFFINE}
    freeze(model)
    assert moved(model, fit) == set()
    unfreeze(model, "affine")
    assert moved(model, fit) == set(AFFINE)
    unfreeze(model, "statistics")
    freeze(model, "affine")
    assert moved(model, fit) == set(STATISTICS)
    freeze(model, "statistics")
    assert moved(model, fit) == set()
    unfreeze(model)
    assert moved(model, fit) == {*STATISTICS, *AFFINE}


def test_frozen_statistics_normalize_in_training():
    model = net()
    estimate_population_statistics(model, X)
    freeze(model, "statistics")
    np.testing.assert_allclose(value_of(model(X, training=True)), value_of(model(X, training=False)), rtol=1e-5)
    unfreeze(model, "statistics")
    assert not np.allclose(value_of(model(X[:8], training=True)), value_of(model(X[:8], training=False)), rtol=1e-2)


def test_affine_weights_are_trained_as_ever_under_frozen_statistics():
    model = keras.Sequential([keras.Input((1,)), layers.BatchNormalization(epsilon=0.0)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.layers[0].moving_mean.assign([1.0])
    freeze(model, "statistics")
    model.fit(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]), batch_size=2, verbose=0)
    # y = gamma * (x - 1) + beta = 0, 2; dL/dgamma = mean(2 y (x - 1)) = 4, dL/dbeta = mean(2 y) = 2
    np.testing.assert_allclose(value_of(model.layers[0].gamma), [-1.0])
    np.testing.assert_allclose(value_of(model.layers[0].beta), [-1.0])
    np.testing.assert_allclose(value_of(model.layers[0].moving_mean), [1.0])


def test_the_optimizer_keeps_its_state():
    model = net()
    model.fit(X, Y, batch_size=32, verbose=0)
    kernel = model.layers[0].kernel
    state = {v.path: value_of(v) for v in model.optimizer.variables if kernel.path.replace("/", "_") in v.path}
    assert len(state) == 2
    freeze(model)
    kept = {v.path: value_of(v) for v in model.optimizer.variables}
    assert int(model.optimizer.iterations) == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    for path, value in state.items():
        np.testing.assert_array_equal(kept[path], value)
    model.fit(X, Y, batch_size=32, verbose=0)
    assert int(model.optimizer.iterations) == 4


def test_a_frozen_model_trains_as_one_compiled_frozen():
    results = []
    for first in (False, True):
        model = net(optimizer=keras.optimizers.SGD(0.1))
        estimate_population_statistics(model, X)
        if first:
            freeze(model)
            compiled(model, keras.optimizers.SGD(0.1))
        else:
            model.make_train_function()
            freeze(model)
        model.fit(X, Y, batch_size=32, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_some_layers_alone():
    model = net()
    inside, outside = norms(model)["inside"], norms(model)["outside"]
    estimate_population_statistics(model, X)
    assert freeze(model, layers=[inside]) == [inside]
    assert (inside.trainable, outside.trainable) == (False, True)
    assert unfreeze(model, layers=[inside, outside]) == [inside, outside]
    assert inside.trainable


def test_layers_without_affine_weights():
    norm = layers.BatchNormalization(center=False, scale=False)
    model = keras.Sequential([keras.Input((6,)), norm, layers.Dense(2)])
    estimate_population_statistics(model, X)
    freeze(model, "affine")
    assert norm.trainable
    freeze(model, "statistics")
    assert not norm.trainable


def test_initial_statistics_warn():
    model = net()
    with pytest.warns(UserWarning, match=r"'outside', 'inside'.*estimate_population_statistics"):
        freeze(model)
    unfreeze(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        freeze(model, "affine")


class NoConfig(keras.optimizers.SGD):
    def __init__(self, rate):
        super().__init__(rate)

    @classmethod
    def from_config(cls, config):
        raise NotImplementedError("no way back")


def test_an_optimizer_that_cannot_be_made_anew_warns():
    model = net(optimizer=NoConfig(0.1))
    model.fit(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="optimizer of 'sequential.*no way back"):
        freeze(model)


@pytest.mark.parametrize("tool", [freeze, unfreeze])
def test_bad_arguments(tool):
    model = net()
    for options, message in [
        ({"what": "all"}, "what='all'"),
        ({"layers": []}, r"layers=\[\]"),
        ({"layers": model.layers[1]}, "layers=<BatchNorm"),
        ({"layers": [model.layers[0]]}, r"layers=\[<Dense"),
    ]:
        with pytest.raises(ValueError, match=message):
            tool(model, **options)
    with pytest.raises(TypeError, match="model='model'"):
        tool("model")
    with pytest.raises(ValueError, match=r"`model`.*'only'"):
        tool(keras.Sequential([keras.Input((6,)), layers.Dense(2, name="only")]))
    with pytest.raises(ValueError, match=r"not built: \['late'\]"):
        tool(keras.Sequential([layers.BatchNormalization(name="late")]))


class Late(keras.Model):
    """Makes its layers when it is built."""

    def build(self, shape):
        self.norm = layers.BatchNormalization(name="late")
        self.norm.build(shape)

    def call(self, x):
        return self.norm(x)


@pytest.mark.parametrize("tool", [freeze, unfreeze])
def test_a_model_that_is_not_built_is_refused(tool):
    model = Late(name="lazy")
    with pytest.raises(ValueError, match=r"not built: \['lazy'\]"):
        tool(model)
    model(X)
    assert [layer.name for layer in tool(model, "affine")] == ["late"]

"""The shift of variance between training and inference: closed forms under dropout, nothing changed, bad models."""

import keras
import numpy as np
import pytest
from keras import layers

from bnkeras import BatchNormLayer
from bnkeras.statistics.shift import variance_shift

X = np.random.default_rng(0).normal(size=(20_000, 4)).astype("float32")


def network(rate, kind=BatchNormLayer):
    inputs = keras.Input((4,))
    x = kind(epsilon=0.0, name="first")(inputs)
    x = layers.Dropout(rate, seed=1)(x) if rate else x
    return keras.Model(inputs, layers.Dense(2)(kind(epsilon=0.0, name="second")(x)))


@pytest.mark.parametrize("kind", [BatchNormLayer, layers.BatchNormalization])
@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_of_values_around_0_divides_their_variance_by_what_is_kept(rate, kind):
    first, second = variance_shift(network(rate, kind), X)
    assert (first["layer"], second["layer"]) == ("first", "second")
    assert first["shift"] == 1
    assert second["shift"] == pytest.approx(1 - rate, rel=0.03)


def test_without_dropout_there_is_none():
    rows = variance_shift(network(0.0), (3 * X[:500] + 1).astype("float32"))
    assert rows[0]["shift"] == 1
    # The first layer normalizes by the batch in training, and in inference by statistics that know nothing of it.
    assert rows[1]["shift"] == pytest.approx(np.exp(np.log((3 * X[:500]).var(0)).mean()), rel=1e-4)


def test_normalized_is_the_variance_over_the_moving_one():
    model = network(0.5)
    model.get_layer("first").moving_variance.assign(np.full(4, 4.0))
    rows = variance_shift(model, X[:100])
    expected = np.exp(np.log(X[:100].var(0)).mean())
    assert rows[0]["normalized"] == pytest.approx(expected / 4, rel=1e-4)
    assert rows[1]["normalized"] == pytest.approx(expected / 4, rel=1e-4)


def test_channels_first():
    inputs = keras.Input((2, 3))
    model = keras.Model(inputs, BatchNormLayer(axis=1, epsilon=0.0)(inputs))
    model.layers[-1].moving_variance.assign([1.0, 4.0])
    (row,) = variance_shift(model, np.stack([X[:100, :3], 2 * X[:100, 1:]], axis=1))
    variances = X[:100, :3].astype("float64").var(), X[:100, 1:].astype("float64").var()
    assert row["normalized"] == pytest.approx(np.sqrt(np.prod(variances)), rel=1e-5)


def test_the_model_is_left_as_it_is():
    model = network(0.5)
    before = [np.array(variable) for variable in model.variables]
    first, second = variance_shift(model, X[:50]), variance_shift(model, X[:50])
    assert first == second
    np.testing.assert_equal([np.array(variable) for variable in model.variables], before)


@pytest.mark.parametrize("model", [keras.Sequential([keras.Input((4,)), layers.Dense(2)]), None, "model"])
def test_models_without_batch_normalization(model):
    with pytest.raises(ValueError, match="`model` must be functional and have batch normalization"):
        variance_shift(model, X)

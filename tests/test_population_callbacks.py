"""Callbacks that estimate statistics while a model trains, or warn where moving averages lag."""

import warnings

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers

from bnkeras import BatchNormLayer, PopulationStatistics, WarnOfLag, estimate_population_statistics, training

X, Y = 3 * noise(96, 6) + 5, np.arange(96) % 2


def net(optimizer=None, **options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(8, name="dense"), BatchNormLayer(name="norm", **options), layers.ReLU()]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(2, name="out")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss)
    return model


def population_mean(model):
    """Mean of what reaches the layer, with the weights as they are, in float64."""
    dense = model.get_layer("dense")
    return X.astype("float64").mean(0) @ value_of(dense.kernel) + value_of(dense.bias)


def moving_mean(model):
    return value_of(model.get_layer("norm").moving_mean)


class Look(keras.callbacks.Callback):
    """Notes, at the end of each validation, whether the statistics are those of the weights at hand."""

    def __init__(self):
        super().__init__()
        self.exact, self.kernels, self.losses = [], [], []

    def on_test_end(self, logs=None):
        model = self.model
        self.exact.append(np.allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4))
        self.kernels.append(value_of(model.get_layer("dense").kernel))
        self.losses.append(logs["loss"])


def fit(model, *callbacks, own=False, epochs=3, validate=True, **options):
    data = {"validation_data": (X, Y)} if validate else {}
    run = training.fit if own else model.fit
    arguments = {"batch_size": 32, "epochs": epochs, "callbacks": list(callbacks), "verbose": 0, **data, **options}
    return run(model, X, Y, **arguments) if own else run(X, Y, **arguments)


@pytest.mark.parametrize("own", [False, True])
def test_each_validation_is_by_the_statistics_of_the_data(own):
    model, look = net(), Look()
    history = fit(model, PopulationStatistics(X, batch_size=32), look, own=own).history
    assert look.exact == [True] * 3
    np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-4)
    lagging = Look()
    fit(net(), lagging, own=own)
    assert lagging.exact == [False] * 3
    # The weights go the same way.
    np.testing.assert_allclose(look.kernels, lagging.kernels, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_at_the_end_and_without_validation(own):
    for every in ("epoch", "end"):
        model, look = net(), Look()
        fit(model, PopulationStatistics(X, every, batch_size=32), own=own, validate=False)
        np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)
    model, look = net(), Look()
    fit(model, PopulationStatistics(X, "end", batch_size=32), look, own=own)
    assert look.exact == [False] * 3
    np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("first", [False, True])
def test_averages_of_weights_have_statistics_of_their_own(first):
    model, look = net(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8)), Look()
    own = [PopulationStatistics(X, batch_size=32), keras.callbacks.SwapEMAWeights()]
    fit(model, look, *(own if first else own[::-1]))  # the averages leave the model when a validation ends
    assert look.exact == [True] * 3
    # Keras ends with the averages, which the last validation saw.
    np.testing.assert_allclose(look.kernels[-1], value_of(model.get_layer("dense").kernel), rtol=1e-5)
    np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("every", ["epoch", "end"])
def test_averages_without_a_swap(every):
    model = net(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8))
    fit(model, PopulationStatistics(X, every, batch_size=32))
    np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)


def test_a_generator_at_the_end():
    model = net()
    fit(model, PopulationStatistics((X[i : i + 32] for i in (0, 32, 64)), "end", steps=3), epochs=1)
    np.testing.assert_allclose(moving_mean(model), population_mean(model), rtol=1e-3, atol=1e-4)


def caught(model, callback, **options):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(X, Y, batch_size=32, verbose=0, callbacks=[callback], **options)
    return [str(one.message) for one in found if issubclass(one.category, UserWarning) and "moving" in str(one.message)]


def test_lag_warns_once_with_its_cure():
    messages = caught(net(), WarnOfLag(X, Y, batch_size=32), epochs=3)
    assert len(messages) == 1
    assert messages[0].startswith("After epoch 1:")
    assert "`estimate_population_statistics(model, x, batch_size=32)`" in messages[0]
    assert caught(net(), WarnOfLag(X, Y, batch_size=32, every=2), epochs=3)[0].startswith("After epoch 2:")


def test_no_lag_no_warning():
    model = net(keras.optimizers.SGD(0.001), momentum=0.5)
    estimate_population_statistics(model, X)
    watch = WarnOfLag(X, Y, batch_size=32)
    assert caught(model, watch, epochs=2) == []
    assert not watch.warned


def test_watching_changes_nothing():
    results = []
    for callbacks in ([], [WarnOfLag(X, Y, batch_size=32)]):
        model = net()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_arguments():
    for make, message in [
        (lambda: PopulationStatistics(X, every=2), "every=2"),
        (lambda: PopulationStatistics(X, batch_size=0), "batch_size=0"),
        (lambda: PopulationStatistics(iter([X])), "`?x"),
        (lambda: WarnOfLag(X, Y, every=0), "every=0"),
        (lambda: WarnOfLag(X, Y, steps=0), "steps=0"),
        (lambda: WarnOfLag(iter([X])), "x"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize("callback", [PopulationStatistics(X), WarnOfLag(X, Y)])
def test_a_model_without_normalization_is_told_before_training(callback):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2, name="only")])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`model`.*\['only'\]"):
        model.fit(X, Y, verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PopulationStatistics(X[:, :5]), r"`x`.*\(32, 5\)"),
        (lambda: WarnOfLag(X[:, :5], Y), r"`x`.*\(32, 5\)"),
        (lambda: WarnOfLag(X[:1], Y[:1]), "Received: 1 at layer 'norm'"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_training(make, message):
    model = net()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, verbose=0, callbacks=[make()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

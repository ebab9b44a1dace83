"""Statistics of models that share layers, have no Input, are saved meanwhile, or are used by several threads."""

import contextlib
import threading

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers

from bnkeras import BatchNormLayer, batch_statistics, estimate_population_statistics

NORMS = pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])
X = noise(30, 3) + 2


def moving(layer):
    return np.stack([value_of(layer.moving_mean), value_of(layer.moving_variance)])


def used(model, how):
    if how == "called":
        model(X[:4])
    elif how == "trained":
        model.train_on_batch(X[:4], X[:4])
    elif how == "fitted":
        model.fit(X, X, batch_size=8, verbose=0)
    else:
        estimate_population_statistics(model, X, batch_size=7)


@NORMS
@pytest.mark.parametrize("how", ["called", "trained", "fitted", "estimated"])
def test_a_model_without_input_takes_batches_of_any_size(norm, how):
    model = keras.Sequential([norm()])
    model.compile("sgd", "mse")
    used(model, how)
    for batch_size in (4, 30):
        estimate_population_statistics(model, X, batch_size=batch_size)
        np.testing.assert_allclose(moving(model.layers[0]), [X.mean(0), X.var(0)], rtol=1e-5)


def shared_twice(norm):
    keras.utils.set_random_seed(2)
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), norm, layers.Dense(3)])
    inputs = keras.Input((3,))
    return keras.Model(inputs, inner(inner(inputs))), inner


@NORMS
def test_a_submodel_called_twice_is_estimated_for_any_batch_size_as_for_all_data_at_once(norm):
    model, inner = shared_twice(norm())
    first, _, last = inner.layers
    estimate_population_statistics(model, X, batch_size=30)
    at_once = moving(inner.layers[1])
    for batch_size in (4, 11, 30):
        estimate_population_statistics(model, X, batch_size=batch_size, sequential=True)
        np.testing.assert_allclose(moving(inner.layers[1]), at_once, rtol=1e-5, atol=1e-6)
    # By hand, in float64.
    weights = [value_of(w).astype("float64") for w in (*first.weights, *last.weights)]
    seen, z = [], X.astype("float64")
    for _ in range(2):
        seen.append(np.tanh(z @ weights[0] + weights[1]))
        z = (seen[-1] - seen[-1].mean(0)) / np.sqrt(seen[-1].var(0) + 1e-3) @ weights[2] + weights[3]
    both = np.concatenate(seen)
    np.testing.assert_allclose(at_once, [both.mean(0), both.var(0)], rtol=1e-5, atol=1e-6)


@NORMS
def test_what_is_saved_inside_infers_with_the_population(norm, tmp_path):
    model = keras.Sequential([keras.Input((3,)), norm()])
    usual = model.predict(X, verbose=0)
    with batch_statistics(model):
        model.save(tmp_path / "inside.keras")
        config = model.get_config()
        copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    rebuilt = keras.Sequential.from_config(config)
    rebuilt.set_weights(model.get_weights())
    for other in (keras.models.load_model(tmp_path / "inside.keras"), copy, rebuilt):
        np.testing.assert_allclose(other.predict(X, verbose=0), usual, rtol=1e-6)


def test_checkpoints_of_a_fit_inside_infer_with_the_population(tmp_path):
    model = keras.Sequential([keras.Input((3,)), BatchNormLayer()])
    model.compile("sgd", "mse")
    with batch_statistics(model):
        model.fit(X, X, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")])
    loaded = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@NORMS
def test_threads_leave_a_model_as_it_was(norm):
    model = keras.Sequential([keras.Input((3,)), norm()])
    usual = model.predict(X, verbose=0)
    before = {name: value for name, value in vars(model.layers[0]).items() if name in ("call", "inference")}
    together, errors = threading.Barrier(4, timeout=60), []

    def work(i):
        for turn in range(3):
            together.wait()
            with batch_statistics(model):
                own = np.asarray(keras.ops.convert_to_numpy(model(X)))
                if i == turn:
                    together.wait()  # holds its context open until the others have left theirs
            if i != turn:
                together.wait()
            if not np.allclose(own.mean(0), 0, atol=1e-4):
                errors.append(own.mean(0))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    after = {name: value for name, value in vars(model.layers[0]).items() if name in ("call", "inference")}
    assert after == before
    np.testing.assert_array_equal(model.predict(X, verbose=0), usual)


def test_contexts_that_overlap_leave_a_shared_layer_as_it_was():
    norm, inputs = BatchNormLayer(), keras.Input((3,))
    outputs = norm(inputs)
    one, two = keras.Model(inputs, outputs), keras.Model(inputs, outputs)
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(batch_statistics(one))
    second.enter_context(batch_statistics(two))
    first.close()
    np.testing.assert_allclose(two.predict(X, verbose=0).mean(0), 0, atol=1e-4)
    second.close()
    assert "call" not in vars(norm)
    for model in (one, two):
        np.testing.assert_allclose(model.predict(X, verbose=0), X / np.sqrt(1 + 1e-3), rtol=1e-5)


@NORMS
def test_another_model_of_shared_layers_is_first_used_inside(norm):
    shared, inputs = norm(), keras.Input((3,))
    outputs = shared(inputs)
    model, twice = keras.Model(inputs, outputs), keras.Model(inputs, layers.Rescaling(2.0)(outputs))
    twice.compile("sgd", "mse")
    usual = 2 * X / np.sqrt(1 + 1e-3)
    plain = keras.Model(inputs, outputs)
    with batch_statistics(model):
        np.testing.assert_allclose(twice.predict(X, verbose=0).mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(plain.predict(X, verbose=0).mean(0), 0, atol=1e-4)
        assert twice.evaluate(X, usual, verbose=0) > 1
    np.testing.assert_allclose(twice.predict(X, verbose=0), usual, rtol=1e-5)
    np.testing.assert_allclose(plain.predict(X, verbose=0), usual / 2, rtol=1e-5)
    assert twice.evaluate(X, usual, verbose=0) < 1e-6


class NormalizedCell(layers.SimpleRNNCell):
    """A recurrent cell whose output is normalized at each step."""

    def __init__(self, norm, **kwargs):
        super().__init__(**kwargs)
        self.norm = norm

    def build(self, input_shape):
        super().build(input_shape)
        self.norm.build((None, self.units))

    def call(self, x, states, training=False):
        y, states = super().call(x, states, training=training)
        return self.norm(y, training=training), states


@NORMS
def test_layers_in_a_loop_over_time_are_told(norm):
    sequences = noise(6, 4, 3)
    inside, outside = norm(name="inside"), norm(name="outside")
    loop = layers.RNN(NormalizedCell(inside, units=2), name="loop")
    model = keras.Sequential([keras.Input((4, 3)), loop, outside])
    with pytest.raises(ValueError, match=r"'loop'.*\['inside'\]"):
        estimate_population_statistics(model, sequences)
    estimate_population_statistics(model, sequences, layers=[outside])
    np.testing.assert_allclose(model.predict(sequences, verbose=0).mean(0), 0, atol=1e-5)


class WithUnused(keras.Model):
    """A model with a layer that it builds and never calls."""

    def __init__(self, norm):
        super().__init__()
        self.used, self.unused = norm(name="used"), norm(name="unused")
        self.unused.build((None, 3))

    def call(self, x, training=False):
        return self.used(x, training=training)


@NORMS
@pytest.mark.parametrize("sequential", [False, True])
def test_a_layer_that_is_never_called_is_told(norm, sequential):
    model = WithUnused(norm)
    with pytest.raises(ValueError, match="'unused'"):
        estimate_population_statistics(model, X, sequential=sequential)
    np.testing.assert_array_equal(moving(model.used), [np.zeros(3), np.ones(3)])
    estimate_population_statistics(model, X, sequential=sequential, layers=[model.used])
    np.testing.assert_allclose(moving(model.used), [X.mean(0), X.var(0)], rtol=1e-5)
    with batch_statistics(model):
        np.testing.assert_allclose(model.predict(X, verbose=0).mean(0), 0, atol=1e-5)


def test_a_later_batch_of_another_shape_is_told():
    model = keras.Sequential([keras.Input((3,)), BatchNormLayer()])
    with pytest.raises(ValueError, match=r"`x`.*\(30, 2\)"):
        estimate_population_statistics(model, iter([X, X[:, :2]]), steps=2)
    np.testing.assert_array_equal(moving(model.layers[0]), [np.zeros(3), np.ones(3)])


def test_layers_must_be_a_list():
    model = keras.Sequential([keras.Input((3,)), BatchNormLayer(name="norm")])
    for layers_given in (model.layers[0], "norm"):
        with pytest.raises(ValueError, match=r"`layers`.*norm"):
            estimate_population_statistics(model, X, layers=layers_given)

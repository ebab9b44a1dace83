"""Models of many kinds in `training.fit`: own `compile` and metrics, recurrent layers, what XLA can't compile."""

import keras
import numpy as np
import pytest
from helpers import noise
from keras import layers, ops

from bnkeras import training

TENSORFLOW = keras.config.backend() == "tensorflow"
X, Y = noise(10, 3), noise(10, 1, seed=1)


class OwnCompile(keras.Model):
    """A model with a loss, metrics and a training step of its own, as in Keras's guides."""

    def __init__(self):
        super().__init__()
        self.hidden, self.dense = layers.Dense(2), layers.Dense(1)
        self.tracker = keras.metrics.Mean(name="own")

    def call(self, x):
        return self.dense(self.hidden(x))

    def compile(self, optimizer, own_loss):
        super().compile(optimizer)
        self.own_loss = own_loss

    @property
    def metrics(self):
        return [self.tracker]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = self.own_loss(y, y_pred)
        self.tracker.update_state(loss)
        return loss


def squares(y, y_pred):
    return ops.mean(ops.square(y - y_pred))


def far_squares(y, y_pred):
    return 100 + squares(y, y_pred)


def test_compile_counts_where_a_model_hides_keras_metrics():
    model, optimizer = OwnCompile(), keras.optimizers.SGD(0.0)
    model.compile(optimizer, squares)
    near = training.fit(model, X, Y).history["own"][0]
    model.compile(optimizer, far_squares)
    np.testing.assert_allclose(training.fit(model, X, Y).history["own"][0], 100 + near, rtol=1e-6)
    model.hidden.trainable = False
    # With JAX, Keras's optimizers refuse to be used for fewer variables than before.
    model.compile(optimizer if TENSORFLOW else keras.optimizers.SGD(0.0), squares)
    np.testing.assert_allclose(training.fit(model, X, Y).history["own"][0], near, rtol=1e-6)


def test_compile_with_other_metrics_counts():
    model, optimizer = keras.Sequential([keras.Input((3,)), layers.Dense(1)]), keras.optimizers.SGD(0.0)
    model.compile(optimizer, "mse")
    training.fit(model, X, Y)
    model.compile(optimizer, "mse", metrics=["mae"])
    assert set(training.fit(model, X, Y).history) == {"loss", "mae"}


class Extremes(keras.metrics.Metric):
    """A metric of two results."""

    def __init__(self):
        super().__init__(name="extremes")
        self.least = self.add_weight(name="least", initializer="zeros")
        self.most = self.add_weight(name="most", initializer="zeros")

    def update_state(self, y, y_pred, sample_weight=None):
        self.least.assign(ops.minimum(self.least, ops.min(y)))
        self.most.assign(ops.maximum(self.most, ops.max(y)))

    def result(self):
        return {"least": self.least + 0, "most": self.most + 0}


def test_a_metric_of_several_results():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Extremes()])
    seen = []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)))
    options = {"validation_data": (X[:4], Y[:4] / 2), "callbacks": [look]}
    history = training.fit(model, X, Y, **options).history
    expected = model.fit(X, Y, verbose=0, **options).history
    assert set(history) == set(expected)
    assert seen[0] == seen[1]
    for name in ("least", "most", "val_least", "val_most"):
        assert history[name] == expected[name]


RECURRENT = {
    "simple": lambda: layers.SimpleRNN(4),
    "LSTM": lambda: layers.LSTM(4),
    "GRU": lambda: layers.GRU(4),
    "bidirectional": lambda: layers.Bidirectional(layers.SimpleRNN(4)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers_with_dropout(kind):
    model = keras.Sequential([keras.Input((8, 1)), RECURRENT[kind](), layers.Dropout(0.1, seed=1), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = noise(10, 8, 1), noise(10, 2)
    history = training.fit(model, x, y, batch_size=4, validation_data=(x, y)).history
    np.testing.assert_allclose(history["val_loss"], [model.evaluate(x, y, verbose=0)], rtol=1e-5)


def encoding():
    return keras.Sequential([keras.Input((1,), dtype="int32"), layers.CategoryEncoding(5), *drop_and_score()])


def calling_back():
    import tensorflow as tf

    class CallingBack(layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.py_function(lambda t: t + 1, [x], tf.float32), x.shape)

    return keras.Sequential([keras.Input((1,)), CallingBack(), *drop_and_score()])


def drop_and_score():
    # Random numbers, so that few steps are enough for XLA.
    return layers.Dropout(0.0), layers.Dropout(0.5, seed=1), layers.Dense(1)


@pytest.mark.tensorflow
@pytest.mark.parametrize("build", [encoding, calling_back])
def test_a_graph_where_xla_cannot_compile(build, capsys):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("sgd", "mse")
    x, y = np.arange(10)[:, None] % 5, noise(10, 1)
    start = model.get_weights()
    history = training.fit(model, x, y, batch_size=4, epochs=2, seed=3, validation_data=(x, y), verbose=2).history
    assert capsys.readouterr().out.count("XLA cannot compile") == 1
    np.testing.assert_allclose(history["val_loss"][-1], model.evaluate(x, y, verbose=0), rtol=1e-5)
    ours = model.get_weights()
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 6
    graph = build()
    graph.compile("sgd", "mse")
    graph.set_weights(start)
    training.fit(graph, x, y, batch_size=4, epochs=2, seed=3, jit=False)
    np.testing.assert_array_equal(ours[0], graph.get_weights()[0])
    with pytest.raises(Exception, match=r"XLA|compile"):
        training.fit(graph, x, y, jit=True)


def test_a_second_fit_of_a_model_without_input():
    model = keras.Sequential([layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    training.fit(model, X, Y, batch_size=4)
    training.fit(model, X, Y, batch_size=5)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 5
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match=r"model\.compile"):
        training.fit(model, X, Y)


class Silent(keras.Sequential):
    @property
    def metrics(self):
        return []


class OwnFunction(keras.Sequential):
    def make_train_function(self, force=False):
        self.train_function = lambda iterator: {"loss": 0.0}


@pytest.mark.parametrize(("kind", "message"), [(Silent, r"metrics=\[\]"), (OwnFunction, "`make_train_function`")])
def test_models_that_report_nothing_or_step_by_themselves_are_refused(kind, message):
    model = kind([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        training.fit(model, X, Y)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 0


def test_random_affine_is_for_images():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"`random_affine`.*10, 3"):
        training.fit(model, X, Y, batch_size=10, augment=training.random_affine())

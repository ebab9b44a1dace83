"""Models of many kinds in `training.fit`: own `compile` and metrics, recurrent layers, what XLA can't compile."""

import keras
import numpy as np
import pytest
from helpers import noise
from keras import layers, ops

from bnkeras import training

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
    model.compile(optimizer, squares)
    np.testing.assert_allclose(training.fit(model, X, Y).history["own"][0], near, rtol=1e-6)


def test_compile_with_other_metrics_counts():
    model, optimizer = keras.Sequential([keras.Input((3,)), layers.Dense(1)]), keras.optimizers.SGD(0.0)
    model.compile(optimizer, "mse")
    training.fit(model, X, Y)
    model.compile(optimizer, "mse", metrics=["mae"])
    assert set(training.fit(model, X, Y).history) == {"loss", "mae"}

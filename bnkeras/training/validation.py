"""Training with a look at validation examples after every epoch, on which the learning rate and the end may hang."""

import itertools
import math
import time

import keras
import numpy as np

from bnkeras.training.evaluation import score
from bnkeras.training.inference import NONE, ways_of_inference
from bnkeras.training.loop import fit


def plateau_callbacks(factor=0.5, patience=5, least=1e-4, stop_after=20):
    """Callbacks that lower the learning rate on plateaus, and stop on a long one or where the loss is no number.

    After `patience` epochs without a gain in `val_accuracy`, however small, the rate is multiplied by `factor`, and
    again after as many more; it never falls below `least`. After `stop_after` epochs without a gain the training stops,
    with the weights of the last epoch.

    Args:
        factor: Float below 1. Defaults to `0.5`.
        patience: Integer, epochs. Defaults to `5`.
        least: Float, learning rate. Defaults to `1e-4`.
        stop_after: Integer, epochs. Defaults to `20`.

    Returns:
        A list of Keras callbacks.

    Raises:
        ValueError: `factor` is not below 1.

    Reference:
        Schilling, *The Effect of Batch Normalization on Deep Convolutional Neural Networks*, 2016, training strategy.
    """
    gain = {"monitor": "val_accuracy", "mode": "max", "min_delta": 0}
    return [
        keras.callbacks.ReduceLROnPlateau(factor=factor, patience=patience, min_lr=least, **gain),
        keras.callbacks.EarlyStopping(patience=stop_after, **gain),
        _StopOnNaN(),
    ]


def train_and_validate(model, data, validation, *, batch_size, epochs, seed, callbacks=(), **options):
    """Train a compiled classifier by `fit`, validate it after every epoch, and test it in the end.

    Losses are those of the data: what regularizers add to the loss, as it is after the epoch, is taken off.

    Args:
        model: Compiled `keras.Model` with logits, the metric `accuracy`, and a learning rate that is a number.
        data: Arrays `(x_train, y_train, x_test, y_test)`; labels are integers.
        validation: Arrays `(x, y)`.
        batch_size: Integer, examples in a step; examples that fill no batch sit an epoch out.
        epochs: Integer, the most passes over the training examples.
        seed: Non-negative integer, of the batch order.
        callbacks: Further Keras callbacks, such as `plateau_callbacks()`.
        **options: Passed on to `fit`.

    Returns:
        `(rows, curves)`. `curves`: a row per epoch with `epoch` (counted from 1), `rate` (the learning rate),
        `train_accuracy` and `train_loss` (means over the epoch), `validation_accuracy` and `validation_loss` (with
        moving averages). `rows`: the last of these with `step` (counted from 1), `seconds` (the median over epochs of
        their training), `test_accuracy` and `test_loss`, once for each of `ways_of_inference`; once only, and as the
        way `"none"`, where a weight is not finite. A test loss that is not finite leaves no test accuracy: `None`.
    """
    watch = _Watch()
    history = fit(
        model,
        *data[:2],
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
        drop_remainder=True,
        validation_data=validation,
        callbacks=[watch, *callbacks],  # the watch sees the learning rate before it is lowered
        **options,
    ).history
    curves = _curves(history, watch)
    last = {
        **curves[-1],
        "step": len(curves) * (len(data[0]) // batch_size),
        "seconds": float(np.median(watch.seconds)),
    }
    return [{**last, **found} for found in _tested(model, *data)], curves


def _curves(history, watch):
    names = {"train_accuracy": "accuracy", "validation_accuracy": "val_accuracy"}
    losses = {"train_loss": "loss", "validation_loss": "val_loss"}
    return [
        {"epoch": i + 1, "rate": watch.rates[i]}
        | {name: history[key][i] for name, key in names.items()}
        | {name: history[key][i] - watch.penalties[i] for name, key in losses.items()}
        for i in range(len(watch.seconds))
    ]


def _tested(model, x_train, y_train, x_test, y_test):
    finite = all(np.isfinite(weight).all() for weight in model.get_weights())
    for way, infer in itertools.islice(ways_of_inference(model, x_train), None if finite else 1):
        with np.errstate(all="ignore"):
            found = score(infer(x_test), y_test)
        accuracy = found["accuracy"] if math.isfinite(found["loss"]) else None
        yield {"inference": way if finite else NONE, "test_accuracy": accuracy, "test_loss": found["loss"]}


class _StopOnNaN(keras.callbacks.Callback):
    """Stops where the loss of an epoch is not finite, without a word, which `TerminateOnNaN` has."""

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


class _Watch(keras.callbacks.Callback):
    """The seconds of each epoch before its validation, its learning rate, and the penalty of the weights at its end."""

    def on_train_begin(self, logs=None):
        self.seconds, self.rates, self.penalties = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds.append(time.perf_counter() - self._start)

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.penalties.append(float(sum(keras.ops.convert_to_numpy(loss) for loss in self.model.losses)))

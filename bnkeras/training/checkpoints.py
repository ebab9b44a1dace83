"""Training with tests along the way: a row for each checkpoint and way of inference."""

import math
import time

import keras

from .evaluation import logits, score
from .loop import fit


def train_and_test(model, data, *, batch_size, epochs, seed, at=None, outputs=None, callbacks=(), **options):
    """Train a compiled classifier by `fit` and test it at checkpoints.

    Args:
        model: Compiled `keras.Model` with logits and the metric `accuracy`.
        data: Arrays `(x_train, y_train, x_test, y_test)`; labels are integers.
        batch_size: Integer, examples in a step; examples that fill no batch sit an epoch out.
        epochs: Integer, passes over the training examples.
        seed: Non-negative integer, of the batch order and the augmentation.
        at: Steps, counted from 1, after which to test; training goes on to the last of them. Defaults to `None`, the
            end of every epoch.
        outputs: Function of the model that returns `{way of inference: logits of the test examples}`, the first so
            many. Defaults to `None`, one way named `"none"`.
        callbacks: Further Keras callbacks.
        **options: Passed on to `fit`.

    Returns:
        A list of rows with `epoch` and `step` (counted from 1), `train_accuracy` and `train_loss` (means over the epoch
        that far), `seconds` (of its training alone), `inference`, `test_accuracy` and `test_loss`.
    """
    x_train, y_train, x_test, y_test = data
    per_epoch = len(x_train) // batch_size
    outputs = outputs or (lambda model: {"none": logits(model, x_test)})
    checkpoints = _Checkpoints(per_epoch, at or range(per_epoch, epochs * per_epoch + 1, per_epoch), outputs, y_test)
    fit(
        model,
        x_train,
        y_train,
        batch_size=batch_size,
        epochs=-(-checkpoints.last // per_epoch),
        seed=seed,
        drop_remainder=True,
        callbacks=[checkpoints, *callbacks],
        **options,
    )
    return checkpoints.rows


class _Checkpoints(keras.callbacks.Callback):
    def __init__(self, per_epoch, at, outputs, labels):
        super().__init__()
        # `fit` calls back after so many steps, and at the end of an epoch in any case.
        self.every = math.gcd(*(step for step in at if step % per_epoch)) or per_epoch
        self.last = max(at)
        self.rows = []
        self._per_epoch, self._at, self._outputs, self._labels = per_epoch, set(at), outputs, labels

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._seconds = epoch, 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs):
        self._seconds += time.perf_counter() - self._start
        step = self._epoch * self._per_epoch + batch + 1
        if step in self._at:
            self._test(step, logs)
        if step >= self.last:
            self.model.stop_training = True

    def _test(self, step, logs):
        row = {"epoch": self._epoch + 1, "step": step}
        row |= {f"train_{name}": float(logs[name]) for name in ("accuracy", "loss")}
        row["seconds"] = self._seconds
        for way, outputs in self._outputs(self.model).items():
            self.rows.append({**row, "inference": way, **score(outputs, self._labels[: len(outputs)])})

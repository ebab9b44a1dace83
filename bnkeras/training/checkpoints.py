"""Training with tests along the way: a row for each checkpoint and way of inference."""

import itertools
import math
import time

import keras

from bnkeras.training.evaluation import score
from bnkeras.training.inference import ways_of_inference
from bnkeras.training.loop import fit
from bnkeras.training.progress import Progress


def train_and_test(
    model,
    data,
    *,
    batch_size,
    epochs,
    seed,
    at=None,
    all_ways_at=None,
    validation=None,
    own_batch_size=None,
    statistics_over=None,
    resume_from=None,
    callbacks=(),
    **options,
):
    """Train a compiled classifier by `fit` and test it at checkpoints, by each of `ways_of_inference`.

    Args:
        model: Compiled `keras.Model` with logits and the metric `accuracy`.
        data: Arrays `(x_train, y_train, x_test, y_test)`; labels are integers.
        batch_size: Integer, examples in a step; examples that fill no batch sit an epoch out.
        epochs: Integer, passes over the training examples.
        seed: Non-negative integer, of the batch order and the augmentation.
        at: Steps, counted from 1, after which to test; training goes on to the last of them. Defaults to `None`, the
            end of every epoch.
        all_ways_at: Steps among them after which to test by all ways of inference, and not by the first alone. Defaults
            to `None`, all.
        validation: Arrays `(x, y)` of further examples to test on. Defaults to `None`.
        own_batch_size: See `ways_of_inference`. Defaults to `None`.
        statistics_over: Array to estimate the population's statistics over, where training examples are cropped or
            otherwise changed on the way into the model. Defaults to `None`, the training examples.
        resume_from: Path of a file that keeps model, optimizer and rows after each epoch, so that the same call goes on
            where it was stopped, or returns at once where all is done; the caller removes it. Defaults to `None`, no
            such file.
        callbacks: Further Keras callbacks.
        **options: Passed on to `fit`.

    Returns:
        A list of rows with `epoch` and `step` (counted from 1), `train_accuracy` and `train_loss` (means over the epoch
        that far), `seconds` (of its training alone), `inference`, `test_accuracy` and `test_loss`, and with
        `validation` also `validation_accuracy` and `validation_loss`.
    """
    x_train, y_train, x_test, y_test = data
    per_epoch = len(x_train) // batch_size
    at = at or range(per_epoch, epochs * per_epoch + 1, per_epoch)
    tests = {"test": (x_test, y_test)} | ({"validation": validation} if validation else {})
    all_ways_at = set(at if all_ways_at is None else all_ways_at)

    def tested(model, step):
        ways = ways_of_inference(model, x_train if statistics_over is None else statistics_over, own_batch_size)
        return list(_tested(ways if step in all_ways_at else itertools.islice(ways, 1), tests))

    checkpoints = _Checkpoints(per_epoch, at, tested)
    progress = None if resume_from is None else Progress(resume_from, model, checkpoints.rows)
    fit(
        model,
        x_train,
        y_train,
        batch_size=batch_size,
        epochs=-(-max(at) // per_epoch),
        seed=seed,
        drop_remainder=True,
        callbacks=[checkpoints, *callbacks, *([progress] if progress else [])],
        initial_epoch=progress.epoch if progress else 0,
        **options,
    )
    return checkpoints.rows


def by_budget(rows, budgets):
    """The rows of `train_and_test` at which budgets are spent, with the column `budget`.

    Args:
        rows: List of rows.
        budgets: Dict of the names of budgets to steps.

    Returns:
        A list of rows, those of one budget after those of the other.
    """
    return [{"budget": name, **row} for name, step in budgets.items() for row in rows if row["step"] == step]


def _tested(ways, tests):
    """For each way of inference, accuracy and loss on the test and the validation examples."""
    for way, infer in ways:
        row = {"inference": way}
        for part, (x, y) in tests.items():
            outputs = infer(x)
            if len(outputs):  # none where there are fewer examples than one of the batches
                row |= {f"{part}_{name}": value for name, value in score(outputs, y[: len(outputs)]).items()}
        yield row


class _Checkpoints(keras.callbacks.Callback):
    def __init__(self, per_epoch, at, tested):
        super().__init__()
        # `fit` calls back after so many steps, and at the end of an epoch in any case.
        self.every = math.gcd(*(step for step in at if step % per_epoch)) or per_epoch
        self.rows = []
        self._per_epoch, self._at, self._tested = per_epoch, set(at), tested

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._seconds = epoch, 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs):
        self._seconds += time.perf_counter() - self._start
        step = self._epoch * self._per_epoch + batch + 1
        if step in self._at:
            row = {"epoch": self._epoch + 1, "step": step}
            row |= {f"train_{name}": float(logs[name]) for name in ("accuracy", "loss")}
            self.rows += [{**row, "seconds": self._seconds, **found} for found in self._tested(self.model, step)]
        if step >= max(self._at):
            self.model.stop_training = True

"""What the studies share: training a model with a row per epoch, effects paired by seed, one-against-the-rest ROC."""

import contextlib
import gc
import logging
import os
import sys
import time

import numpy as np
import pandas as pd

from bnkeras.sweep.processes import in_worker

ROC_GRID = np.concatenate([[0], np.geomspace(1e-4, 1, 31)])


def start_keras():
    """Import Keras without the start-up lines that TensorFlow's libraries write past Python's logging.

    In a worker process of a sweep, which does nothing but train, Keras does without what else it would import for its
    plots, its scikit-learn wrappers and TensorFlow Lite: a third of the time that it takes to start.
    """
    if "keras" in sys.modules:
        return
    optional = {"jax", "matplotlib", "sklearn"} - {os.environ.get("KERAS_BACKEND")} if in_worker() else set()
    with _missing(optional - sys.modules.keys()), _silent_libraries():
        import keras

        keras.ops.zeros(1)  # the backend looks for its devices at the first operation
    if in_worker():
        gc.freeze()  # Keras and the backend stay; the first collection need not look through them
        # Many models in one process are what a worker is for; TensorFlow takes their tracing for a mistake.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def _missing(names):
    """Inside, importing one of these modules raises ImportError, as where it is not installed."""
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _silent_libraries():
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def train(model, data, run, callbacks=(), **options):
    """Train a compiled model on `(x_train, y_train)` and test it after every epoch.

    Args:
        model: a compiled `keras.Model` with the metric `accuracy`.
        data: arrays `(x_train, y_train, x_test, y_test)`.
        run: settings with `batch_size`, `epochs` and `seed`.
        callbacks: further Keras callbacks.
        options: passed on to `bnkeras.training.fit`.

    Returns:
        A list of rows with `epoch`, `step`, `train_accuracy`, `train_loss`, `test_accuracy`, `test_loss` and
        `seconds`, the wall time of the epoch's training alone. The first epoch's seconds include compiling.
    """
    import keras

    from bnkeras import training

    class Stopwatch(keras.callbacks.Callback):
        seconds = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_test_begin(self, logs=None):
            self.seconds += (time.perf_counter() - self.start,)

    x_train, y_train, x_test, y_test = data
    stopwatch = Stopwatch()
    history = training.fit(
        model,
        x_train,
        y_train,
        batch_size=run.batch_size,
        epochs=run.epochs,
        seed=run.seed,
        validation_data=(x_test, y_test),
        callbacks=[stopwatch, *callbacks],
        **options,
    ).history
    steps = len(x_train) // run.batch_size
    if not options.get("drop_remainder"):
        steps = -(-len(x_train) // run.batch_size)
    return [
        {
            "epoch": i + 1,
            "step": (i + 1) * steps,
            "train_accuracy": history["accuracy"][i],
            "train_loss": history["loss"][i],
            "test_accuracy": history["val_accuracy"][i],
            "test_loss": history["val_loss"][i],
            "seconds": stopwatch.seconds[i],
        }
        for i in range(len(history["loss"]))
    ]


def unit_interval(images):
    """Images as float32 from 0 to 1."""
    return images.astype("float32") / 255


def paired(table, value, contrast, plus, minus, by=()):
    """Difference of `value` between two levels of the column `contrast`, paired by seed.

    Args:
        table: one row per seed, level and condition.
        value: column of the measured value.
        contrast: column that tells the two levels apart.
        plus, minus: the levels; the effect is `value[plus] - value[minus]`.
        by: columns whose values make the condition, written `column value`.

    Returns:
        A Series of effects indexed by `seed`, or by `condition` and `seed` where `by` is given.
    """
    wide = table.pivot_table(index=[*by, "seed"], columns=contrast, values=value, dropna=False, observed=True)
    return labelled(wide[plus] - wide[minus], by)


def labelled(effects, by):
    """Replace the index levels `by` of a Series with one level `condition`, such as `learning rate 0.1`."""
    if not by:
        return effects
    frame = effects.rename("effect").reset_index()
    names = [name.replace("_", " ") for name in by]
    condition = [
        ", ".join(f"{n} {v:g}" if isinstance(v, float) else f"{n} {v}" for n, v in zip(names, row, strict=True))
        for row in frame[list(by)].itertuples(index=False)
    ]
    return frame.assign(condition=condition).set_index(["condition", "seed"])["effect"]


def last_epoch(table, settings):
    """The row of the last epoch of every run, a run being told apart by the columns `settings`."""
    return table.loc[table.groupby(list(settings), sort=False)["epoch"].idxmax()]


def roc_tables(probabilities, labels, class_names):
    """Receiver operating characteristic of each class against the rest (scikit-learn).

    Args:
        probabilities: predicted probabilities `[n, classes]`.
        labels: true classes `[n]`.
        class_names: one name a class.

    Returns:
        `(auc, roc)`: rows `class, auc` and rows `class, fpr, tpr`, the curve at the false positive rates `ROC_GRID`,
        which is denser near 0, where curves differ; both empty where a probability is not finite.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    auc, roc = [], []
    if not np.isfinite(probabilities).all():
        return auc, roc
    for index, name in enumerate(class_names):
        truth, score = labels == index, probabilities[:, index]
        fpr, tpr, _ = roc_curve(truth, score)
        auc.append({"class": name, "auc": roc_auc_score(truth, score)})
        curve = np.interp(ROC_GRID, fpr, tpr)
        roc += [{"class": name, "fpr": x, "tpr": y} for x, y in zip(ROC_GRID, curve, strict=True)]
    return auc, roc


def describe(table, by=("source",)):
    """One line that a figure carries: scale, data sources and number of seeds, the least and the most over `by`."""
    scale = f"scale {table.scale.iloc[0]}, " if "scale" in table else ""
    seeds = table.groupby(list(by)).seed.nunique()
    words = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    return f"{scale}{', '.join(pd.unique(table.source))}, {words} seeds"

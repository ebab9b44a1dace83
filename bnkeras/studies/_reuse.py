"""Compiled networks that many runs share: compiling takes longer than many a run of the studies of batch sizes."""

import functools

import numpy as np
from scipy.special import log_softmax


def network(run, input_shape, classes, group_size=None):
    """A compiled `models.mlp` in the state that a new one would have, its programs compiled perhaps by an earlier run.

    Weights are drawn from the run's seed; optimizer and moving statistics start anew. A process keeps the programs of
    one kind of network at a time, so runs that differ only in seed, learning rate and batch size should follow each
    other.

    Args:
        run: settings with `normalization`, `learning_rate`, `seed` and `stddev`.
        input_shape: shape of one example.
        classes: number of classes.
        group_size: examples a group for ghost batch normalization.
    """
    import keras

    model = _compiled(run.normalization, tuple(input_shape), classes, run.stddev, group_size)
    keras.utils.set_random_seed(run.seed)
    new = _build(run.normalization, tuple(input_shape), classes, run.stddev, group_size)
    model.set_weights(new.get_weights())
    model.optimizer.iterations.assign(0)
    model.optimizer.learning_rate = run.learning_rate
    return model


@functools.lru_cache(maxsize=1)
def _compiled(*form):
    import keras

    model = _build(*form)
    model.compile(
        optimizer=keras.optimizers.SGD(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _build(normalization, input_shape, classes, stddev, group_size):
    from bnkeras import models

    return models.mlp(input_shape, classes, normalization, stddev=stddev, group_size=group_size)


def jit(run):
    """The `jit` of `training.fit` for a run that may do without XLA; JAX always compiles."""
    import keras

    return "auto" if run.jit or keras.config.backend() == "jax" else False


def logits(model, x):
    """Outputs in inference, as a float64 array."""
    import keras

    return keras.ops.convert_to_numpy(model(x, training=False)).astype("float64")


def score(outputs, labels):
    """Accuracy and mean cross-entropy of logits `[n, classes]`, as `{"test_accuracy": ..., "test_loss": ...}`."""
    losses = -log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]
    return {"test_accuracy": float((outputs.argmax(1) == labels).mean()), "test_loss": float(losses.mean())}

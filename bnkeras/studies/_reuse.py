"""Compiled networks that many runs share: compiling takes longer than many a run of the studies of batch sizes."""

import functools

import numpy as np
from scipy.special import log_softmax


def network(run, input_shape, classes, group_size=None):
    """A compiled `models.mlp` for a run; see `renewed`.

    Args:
        run: settings with `normalization`, `learning_rate`, `seed` and `stddev`.
        input_shape: shape of one example.
        classes: number of classes.
        group_size: examples a group for ghost batch normalization.
    """
    form = (run.normalization, tuple(input_shape), classes, run.stddev, group_size)
    return renewed(_build, form, run.seed, run.learning_rate)


def renewed(build, form, seed, learning_rate, momentum=0.0):
    """A compiled model in the state that a new one would have, its programs compiled perhaps by an earlier run.

    Weights are drawn from the seed; optimizer and moving statistics start anew. A process keeps the programs of one
    form of network at a time, so runs that differ only in seed and learning rate should follow each other.

    Args:
        build: function at the top of a module that returns an uncompiled model with logits.
        form: tuple of its arguments, all hashable.
        seed: integer, for the weights.
        learning_rate: of SGD.
        momentum: of SGD, Nesterov's unless 0.
    """
    import keras

    model = _compiled(build, form, momentum)
    keras.utils.set_random_seed(seed)
    model.set_weights(build(*form).get_weights())
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    model.optimizer.learning_rate = learning_rate
    return model


@functools.lru_cache(maxsize=1)
def _compiled(build, form, momentum):
    import keras

    model = build(*form)
    model.compile(
        optimizer=keras.optimizers.SGD(momentum=momentum, nesterov=momentum > 0),
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

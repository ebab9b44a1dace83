"""Compiled networks that many runs share: compiling takes longer than many a run."""

import functools

import keras


def renewed(build, form, *, seed, learning_rate, momentum=0.0, rho=None):
    """Return a compiled classifier as a new one would be, its programs compiled perhaps by an earlier run.

    All of its state starts anew: weights, moving statistics, the seeds of dropout, and the optimizer. A process keeps
    one network at a time, so runs that differ only in seed and learning rate should follow each other.

    Args:
        build: Function at the top of a module, `build(*form, seed=seed)`, that returns an uncompiled model with logits.
        form: Tuple of its positional arguments, all hashable.
        seed: Non-negative integer.
        learning_rate: Float, of the optimizer.
        momentum: Float in [0, 1), of SGD, Nesterov's unless 0. Defaults to `0.0`.
        rho: Float in (0, 1), decay of the mean squares of RMSprop, which then takes the place of SGD. Defaults to
            `None`, SGD.

    Returns:
        A `keras.Model`, compiled with the optimizer, the sparse categorical cross-entropy and the metric `accuracy`.
    """
    model = _compiled(build, form, momentum, rho)
    for variable, new in zip(model.variables, build(*form, seed=seed).variables, strict=True):
        variable.assign(new)
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    model.optimizer.learning_rate = learning_rate
    return model


@functools.lru_cache(maxsize=1)
def _compiled(build, form, momentum, rho):
    model = build(*form, seed=0)
    sgd = {"momentum": momentum, "nesterov": momentum > 0}
    model.compile(
        optimizer=keras.optimizers.RMSprop(rho=rho, momentum=momentum) if rho else keras.optimizers.SGD(**sgd),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    return model

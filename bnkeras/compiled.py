"""What has been compiled for a model: Keras's own functions, and the programs of `bnkeras.training` kept with it."""

import contextlib

import keras

from bnkeras.forward import overridden
from bnkeras.keras_internals import layers_of

_PROGRAMS = "_bnkeras_programs"
_FUNCTIONS = ("train_function", "test_function", "predict_function")
_STEPS = ("train_step", "test_step")


class Programs:
    """Compiled programs by their purpose, the random generator that they share, and the state of the model then."""

    def __init__(self, model):
        self.compiled = {}
        self.generator = keras.random.SeedGenerator(0)
        self.compiled_with = _compiled_with(model)
        self.flags = [layer.trainable for layer in (model, *layers_of(model))]
        self.trainable = {id(variable) for variable in model.trainable_variables}


def programs_of(model):
    """Return the `Programs` of a compiled model, which live as long as it does.

    They are new after `model.compile`, and after layers were frozen or unfrozen.

    Raises:
        ValueError: If variables were frozen or unfrozen without `compile`, so that the optimizer does not know of it.
    """
    kept, current = getattr(model, _PROGRAMS, None), Programs(model)
    if kept is not None and kept.compiled_with == current.compiled_with:
        if kept.flags == current.flags:
            return kept
        if kept.trainable != current.trainable:
            raise ValueError(
                "The trainable variables of the model have changed since it was last trained. Call "
                f"`model.compile()` again for this to take effect. Received: model={model.name!r}"
            )
    vars(model)[_PROGRAMS] = current
    return current


def _compiled_with(model):
    """What `compile` was given, and the metric of the loss, which it creates."""
    return (model.optimizer, model.loss, *model.metrics[:1]) if model.compiled else None


@contextlib.contextmanager
def recompiled(models):
    """A context in which Keras and `bnkeras.training` compile some models again, when they are next used.

    Afterwards, what was compiled before is in place again, save for a model that `compile` was called on inside.
    """
    before = [_compiled_with(model) for model in models]
    steps = {}
    if keras.config.backend() == "jax":
        # JAX caches compiled programs by the function: the same step would find the one compiled before.
        steps = dict.fromkeys(_STEPS, lambda model, step: lambda *args: step(*args))
    try:
        with overridden(models, **dict.fromkeys((*_FUNCTIONS, _PROGRAMS), lambda model, old: None), **steps):
            yield
    finally:
        for model, compiled_with in zip(models, before, strict=True):
            if _compiled_with(model) != compiled_with:
                vars(model).update(dict.fromkeys(_FUNCTIONS))

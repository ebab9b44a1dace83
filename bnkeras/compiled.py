"""What has been compiled for a model: Keras's own functions, and the programs of `bnkeras.training` kept with it."""

import contextlib
import dataclasses

import keras

from bnkeras.forward import overridden
from bnkeras.keras_internals import layers_of

_PROGRAMS, _FORWARD = "_bnkeras_programs", "_bnkeras_forward"
_FUNCTIONS = ("train_function", "test_function", "predict_function")


@dataclasses.dataclass
class Programs:
    """Compiled programs by their purpose, the random generator that they share, and the state of the model then.

    Attributes:
        graphs_alone: Boolean, whether XLA has turned out not to compile the model.
    """

    compiled_with: tuple
    flags: list
    trainable: set
    graphs_alone: bool = False
    compiled: dict = dataclasses.field(default_factory=dict)
    generator: keras.random.SeedGenerator = dataclasses.field(default_factory=lambda: keras.random.SeedGenerator(0))


def programs_of(model):
    """Return the `Programs` of a compiled model, which live as long as it does.

    They are new after `model.compile`, and after layers were frozen or unfrozen.

    Raises:
        ValueError: If variables were frozen, unfrozen or, as by `model.quantize`, replaced without `compile`, so that
            the optimizer does not know of it.
    """
    compiled_with = _compiled_with(model)
    flags = [layer.trainable for layer in (model, *layers_of(model))]
    trainable = {id(variable) for variable in model.trainable_variables}
    kept = getattr(model, _PROGRAMS, None)
    if kept is not None and kept.compiled_with == compiled_with:
        if kept.flags == flags and kept.trainable == trainable:
            return kept
        if kept.trainable != trainable:
            raise ValueError(
                "The trainable variables of the model have changed since it was last trained. Call "
                f"`model.compile()` again for this to take effect. Received: model={model.name!r}"
            )
    programs = vars(model)[_PROGRAMS] = Programs(compiled_with, flags, trainable)
    return programs


def forward_of(model, purpose, make):
    """Return what `make()` returned when it was first called for a purpose: a compiled forward pass of the model.

    As Keras's `predict_function`, it knows nothing of attributes of layers that were changed since. It is made anew
    after `model.compile`, and where the model has other variables.
    """
    state = _compiled_with(model), [id(variable) for variable in model.variables], model.run_eagerly
    kept = vars(model).get(_FORWARD)
    if kept is None or kept[0] != state:
        kept = vars(model)[_FORWARD] = state, {}
    if purpose not in kept[1]:
        kept[1][purpose] = make()
    return kept[1][purpose]


def _compiled_with(model):
    """What `compile` was given, and the metric of the loss, which it creates and a model's own `metrics` may hide."""
    return (model.optimizer, model.loss, *keras.Model.metrics.fget(model)[:1]) if model.compiled else None


@contextlib.contextmanager
def recompiled(models):
    """A context in which Keras and `bnkeras.training` compile some models again, when they are next used.

    Afterwards, what was compiled before is in place again, save for a model that `compile` was called on inside.
    """
    before = [_compiled_with(model) for model in models]
    steps = {}
    if keras.config.backend() == "jax":
        # JAX caches compiled programs by the function: the same step would find the one compiled before.
        steps = dict.fromkeys(("train_step", "test_step"), lambda model, step: lambda *args: step(*args))
    try:
        with overridden(models, **dict.fromkeys((*_FUNCTIONS, _PROGRAMS, _FORWARD), lambda model, old: None), **steps):
            yield
    finally:
        for model, compiled_with in zip(models, before, strict=True):
            if _compiled_with(model) != compiled_with:
                vars(model).update(dict.fromkeys(_FUNCTIONS))


def forget(models):
    """Have Keras and `bnkeras.training` compile some models anew when they are next used."""
    for model in models:
        vars(model).update(dict.fromkeys(_FUNCTIONS))
        for name in (_PROGRAMS, _FORWARD):
            vars(model).pop(name, None)
    if models and keras.config.backend() == "jax":
        import jax

        # JAX finds what it has compiled by the function, which is still the same.
        jax.clear_caches()

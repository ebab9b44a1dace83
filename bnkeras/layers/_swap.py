"""Models with `BatchNormLayer` in place of Keras's layer, and back."""

import functools

import keras

from bnkeras.arguments import check_choice, check_model
from bnkeras.keras_internals import layers_of
from bnkeras.layers.batch_norm import BatchNormLayer

_KINDS = {"bnkeras": BatchNormLayer, "keras": keras.layers.BatchNormalization}
# Arguments that Keras's layer lacks, and the values at which it does the same.
_OURS_ALONE = {"group_size": None, "inference": "population", "accumulation_steps": None}
# What names a class in a configuration.
_NAMES = ("module", "class_name", "registered_name")


def swap(model, to="bnkeras"):
    """Return a copy of a model with `BatchNormLayer` in place of `keras.layers.BatchNormalization`, or back.

    The copy computes the same. It has the model's weights, names, `trainable` flags and random states, and where the
    model is compiled, its loss, metrics and optimizer with all that it has gathered. Layers are found in nested models,
    in wrappers, and in layers of your own that give them in `get_config`; shared ones stay shared. Metrics and
    activations of your own have to be registered with Keras or stand in a `keras.saving.custom_object_scope`; a model
    with a `compile` of its own, which Keras warns of, has to be compiled again.

    Args:
        model: A built `keras.Model`: functional, sequential, or subclassed with a `get_config`.
        to: `"bnkeras"` or `"keras"`, whose layer the copy has. Defaults to `"bnkeras"`.

    Returns:
        A `keras.Model` of the same class, which shares nothing with `model`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it is not built, has no layer of the other kind, has one that it makes by itself, out of reach of
            its configuration, or, on the way back, one with `group_size`, `inference="batch"` or
            `accumulation_steps`.

    Example:

    >>> model = swap(keras.applications.ResNet50(weights=None))
    >>> estimate_population_statistics(model, x)
    >>> keras_model = swap(model, to="keras")
    """
    check_model(model)
    check_choice(_KINDS, to=to)
    if not model.built:
        raise ValueError(f"`model` must be built: call it on a batch. Received: model={model.name!r}, not built")
    if not _of_other_kind(model, to):
        kind = f"{_other(to).__module__}.{_other(to).__qualname__}"
        raise ValueError(f"`model` must have a layer of the class {kind}. Received: model={model.name!r}, without one")
    config = _swapped(keras.saving.serialize_keras_object(model), to)
    # A model in memory is as safe as the code that made it, lambdas included.
    copy = keras.saving.deserialize_keras_object(config, _own_objects(model), safe_mode=False)
    left = _of_other_kind(copy, to)
    if left:
        raise ValueError(
            "A layer that a model makes by itself must stand in its `get_config` to be swapped. "
            f"Received: model={model.name!r} with the layers {left}"
        )
    _copy_state(model, copy)
    return copy


def _other(to):
    return _KINDS["keras" if to == "bnkeras" else "bnkeras"]


def _of_other_kind(model, to):
    return [layer.name for layer in layers_of(model) if isinstance(layer, _other(to))]


@functools.cache
def _form(kind):
    return keras.saving.serialize_keras_object(kind())


def _own_objects(model):
    """Classes and functions that a configuration may name, where they are not registered with Keras, by name."""
    parts = [type(part) for part in (model, *layers_of(model)) if not isinstance(part, tuple(_KINDS.values()))]
    losses = [loss for loss in keras.tree.flatten(getattr(model, "loss", None)) if callable(loss)]
    parts += [loss if hasattr(loss, "__name__") else type(loss) for loss in losses]
    return {part.__name__: part for part in parts if not part.__module__.startswith("keras.")}


def _swapped(config, to):
    """A serialized object with the layers of the other kind replaced, all the way down."""
    if isinstance(config, (list, tuple)):
        return type(config)(_swapped(part, to) for part in config)
    if not isinstance(config, dict):
        return config
    config = {name: _swapped(part, to) for name, part in config.items()}
    if any(config.get(name, "") != _form(_other(to))[name] for name in _NAMES):
        return config
    wanted = _form(_KINDS[to])
    arguments = dict(config["config"])
    if to == "keras":
        beyond = {name: arguments.pop(name) for name in _OURS_ALONE}
        if beyond != _OURS_ALONE:
            raise ValueError(
                f"Keras's layer has no such arguments. Received: layer {arguments['name']!r} with {beyond}"
            )
        allowed = wanted["config"]
        arguments = {name: value for name, value in arguments.items() if name in allowed}
    return config | {name: wanted[name] for name in _NAMES} | {"config": arguments}


def _copy_state(model, copy):
    sources, targets = (
        [v for v in one.variables if not any(v is metric for metric in one.metrics_variables)] for one in (model, copy)
    )
    if getattr(copy, "optimizer", None) is not None and model.optimizer.built:
        if not copy.optimizer.built:
            copy.optimizer.build(copy.trainable_variables)
        sources, targets = [*sources, *model.optimizer.variables], [*targets, *copy.optimizer.variables]
    for source, target in zip(sources, targets, strict=True):
        target.assign(keras.ops.copy(source))  # on JAX training gives its arrays away

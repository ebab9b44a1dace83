"""The activations of a model: which layers have one, and what goes into it."""

import contextlib

import keras
from keras import ops

from bnkeras.forward import layer_names, overridden
from bnkeras.keras_internals import layers_of

_ACTIVATION_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)


def active_layers(model):
    """Return the layers of `model` that apply an activation, linear ones included."""
    return [layer for layer in layers_of(model) if _attribute(layer)]


def channel_axis(layer):
    """Return the axis of the units in the input and the output of a layer's activation."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _attribute(layer):
    """Name of the function of `layer` that maps an activation's input to its output, or `None`."""
    if isinstance(layer, _ACTIVATION_LAYERS):
        return "call"
    # The cell of a recurrent layer is called inside of a loop, which no tensor leaves.
    return "activation" if callable(vars(layer).get("activation")) and not hasattr(layer, "state_size") else None


@contextlib.contextmanager
def tapped(layers, tap):
    """A context in which each of `layers` returns `tap(layer, z, f)` instead of its activation `f(z)`."""

    def through(layer, function):
        return lambda z, *args, **kwargs: tap(layer, z, function)

    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(overridden([layer], **{_attribute(layer): through}))
        yield


def calls(model, layers, x):
    """Call the model on `x` in inference.

    Returns:
        `(calls, y)`: for each call of an activation of `layers`, in order, `(layer, input, output)`, and the output of
        the model.
    """
    seen = []

    def note(layer, z, f):
        seen.append((layer, z, f(z)))
        return seen[-1][2]

    with tapped(layers, note):
        y = model(x, training=False)
    return seen, y


def find_layer(model, layer):
    """Return the layer of `model` given as a layer, a name or a path.

    Raises:
        ValueError: If the model has no such layer, or several of that name, or the layer has no activation.
    """
    found = [known for known in layers_of(model) if layer is known or layer in (known.name, known.path)]
    active = active_layers(model)
    if len(found) != 1:
        problem = f"has {len(found)} layers of that name: give the layer itself" if found else "has no such layer"
        raise ValueError(
            f"`layer` must be a layer of the model or its name, and model {model.name!r} {problem}. "
            f"Received: layer={layer!r}. Its layers: {layer_names(model)}"
        )
    if found[0] not in active:
        names = [known.name for known in active]
        raise ValueError(f"`layer` must have an activation. Received: layer={layer!r}. Layers with one: {names}")
    return found[0]


def hidden_activations(model, x):
    """Return the layers with a non-linear activation that is not the model's output, in the order of their calls.

    Raises:
        ValueError: If there is none.
    """
    linear = keras.activations.linear
    layers = [layer for layer in active_layers(model) if getattr(layer, "activation", None) is not linear]
    with keras.StatelessScope():
        found, y = calls(model, layers, keras.tree.map_structure(lambda t: t[:1], x))
    outputs = {}
    for layer, _, output in found:
        outputs.pop(layer, None)
        outputs[layer] = output
    hidden = [layer for layer, output in outputs.items() if not any(output is last for last in keras.tree.flatten(y))]
    if not hidden:
        raise ValueError(
            "`model` must have a hidden layer with a non-linear activation. "
            f"Received: model={model.name!r} with the layers {layer_names(model)}"
        )
    return hidden


def mixing_layers(model, layers, x):
    """Return those of `layers` whose activation computes a unit from the others too, as softmax does."""
    mixing = []

    def note(layer, z, f):
        a = f(z)
        if _mixes(f, z, a, channel_axis(layer)):
            mixing.append(layer)
        return a

    with keras.StatelessScope(), tapped(layers, note):
        model(x, training=False)
    return mixing


def _mixes(f, z, a, axis):
    """Whether other units of `a = f(z)` change where the first one of `z` becomes by far the largest."""
    if tuple(a.shape) != tuple(z.shape):
        return True
    first = ops.moveaxis(ops.zeros_like(z), axis, -1) + ops.cast(ops.arange(z.shape[axis]) == 0, z.dtype)
    changed = f(z + ops.moveaxis(first, -1, axis) * (2 * ops.max(ops.abs(z)) + 1))
    return bool(ops.any(ops.moveaxis(changed != a, axis, -1)[..., 1:]))

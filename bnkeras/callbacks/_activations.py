"""The activations of a model: which layers have one, and what goes into it."""

import contextlib

import keras

from bnkeras.statistics._calls import layer_names, replaced

_ACTIVATION_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)


def active_layers(model):
    """The layers of `model` that apply an activation, linear ones included."""
    return [layer for layer in model._flatten_layers(include_self=False) if _attribute(layer)]


def is_linear(layer):
    """Whether a layer's activation is the identity, as in `Dense(10)`."""
    return getattr(layer, "activation", None) is keras.activations.linear


def channel_axis(layer):
    """Axis of the units in the input and the output of a layer's activation."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _attribute(layer):
    """Name of the function of `layer` that maps an activation's input to its output, or `None`."""
    if isinstance(layer, _ACTIVATION_LAYERS):
        return "call"
    # The cell of a recurrent layer is called inside of a loop, which no tensor leaves.
    return "activation" if callable(vars(layer).get("activation")) and not hasattr(layer, "state_size") else None


@contextlib.contextmanager
def tapped(layers, tap):
    """Inside, each of `layers` returns `tap(layer, z, f)` instead of its activation `f(z)`."""

    def through(layer, function):
        return lambda z, *args, **kwargs: tap(layer, z, function)

    with contextlib.ExitStack() as stack:
        for layer in layers:
            name = _attribute(layer)
            stack.enter_context(replaced(layer, **{name: through(layer, getattr(layer, name))}))
        yield


def find_layer(model, layer):
    """The layer of `model` given as a layer, a name or a path.

    Raises:
        ValueError: the model has no such layer, or several of that name, or the layer has no activation.
    """
    layers = model._flatten_layers(include_self=False)
    found = [known for known in layers if layer is known or layer in (known.name, known.path)]
    if len(found) != 1:
        problem = "has no such layer" if not found else f"has {len(found)} layers of that name: give the layer itself"
        raise ValueError(
            f"`layer` must be a layer of the model or its name, and model {model.name!r} {problem}. "
            f"Received: layer={layer!r}. Its layers: {layer_names(model)}"
        )
    if found[0] not in active_layers(model):
        raise ValueError(
            f"`layer` must have an activation. Received: layer={layer!r}. "
            f"Layers with one: {[known.name for known in active_layers(model)]}"
        )
    return found[0]


def hidden_activations(model, x):
    """The layers with a non-linear activation that is not the model's output, in the order of their calls on `x`.

    Raises:
        ValueError: there is none.
    """
    called = {}

    def note(layer, z, function):
        called.pop(layer, None)
        called[layer] = function(z)
        return called[layer]

    layers = [layer for layer in active_layers(model) if not is_linear(layer)]
    with keras.StatelessScope(), tapped(layers, note):
        outputs = keras.tree.flatten(model(keras.tree.map_structure(lambda t: t[:1], x), training=False))
    hidden = [layer for layer, output in called.items() if not any(output is given for given in outputs)]
    if not hidden:
        raise ValueError(f"Model {model.name!r} has no hidden layer with a non-linear activation.")
    return hidden

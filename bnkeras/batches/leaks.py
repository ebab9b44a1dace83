"""Does a model's answer for one example depend on the others in its batch, and which layers make it so?"""

import itertools

import keras
import numpy as np
from keras import ops

from bnkeras.arguments import check_model, count_examples, to_tensor
from bnkeras.forward import build, overridden
from bnkeras.keras_internals import layers_of


def find_leaks(model, x, training=False, tolerance=1e-3):
    """Find the layers by which the answer for one example depends on the others in its batch.

    The model sees the first example of `x` twice, among the others and among copies of itself. Then each layer by
    itself is given what reaches it for that example the first time and for the others the second time: it leaks where
    its result for the example is another than the first time. Batch normalization does so in training, in a model
    that is evaluated in training mode by mistake, and with `BatchNormLayer(inference="batch")`; with moving statistics
    it does not, nor do layer and group normalization. Random layers such as dropout draw the same each time. No state
    of the model changes.

    Args:
        model: A `keras.Model`.
        x: Inputs: an array of at least two examples that differ, or the structure of arrays that the model takes.
        training: Boolean, the mode in which the model is called. Defaults to `False`, inference.
        tolerance: Float, the relative change that is more than rounding. Defaults to `1e-3`.

    Returns:
        A list with a dict for each call of a layer, in their order, and last for the whole model: `layer`, its name;
        `change`, how much its result for the example changes, relative to the largest absolute value; and `leaks`,
        whether that is more than `tolerance`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If `x` does not fit the model, or holds no two different examples.

    Example:

    >>> find_leaks(model, x_test[:100])[-1]["leaks"]
    False
    >>> [row["layer"] for row in find_leaks(model, x_test[:100], training=True) if row["leaks"]]
    ['bn_1', 'bn_2', 'bn_3', 'model']
    """
    check_model(model)
    x = keras.tree.map_structure(lambda array: to_tensor(array, "`x`"), x)
    n = count_examples(x, "`x`")
    build(model, x, "x")
    copies = keras.tree.map_structure(lambda t: ops.repeat(t[:1], n, axis=0), x)
    pairs = zip(keras.tree.flatten(x), keras.tree.flatten(copies), strict=True)
    if all(bool(ops.all(ops.equal(one, other))) for one, other in pairs):
        raise ValueError(f"`x` must hold at least two different examples. Received: {n} that are alike")
    among_others, answer = _tapped(model, x, training)
    among_copies, other_answer = _tapped(model, copies, training)
    inputs = [_mixed(one[1], other[1]) for one, other in zip(among_others, among_copies, strict=True)]
    mixed, _ = _tapped(model, copies, training, inputs)
    changes = [(one[0], _change(one[2], other[2])) for one, other in zip(among_others, mixed, strict=True)]
    changes.append((model.name, _change(answer, other_answer)))
    return [{"layer": name, "change": change, "leaks": change > tolerance} for name, change in changes]


def _tapped(model, x, training, inputs=None):
    """`(name, arguments, result)` of each call of a layer, and the answer of the model.

    With `inputs`, the arguments of the calls in their order, these take the place of what reaches the layers.
    """
    calls, given = [], iter(inputs or itertools.repeat(None))

    def tapped(layer, call):
        def tapped_call(*args, **kwargs):
            args, kwargs = next(given) or (args, kwargs)
            # Layers inside of this one come after it.
            place = len(calls)
            calls.append(None)
            result = call(*args, **kwargs)
            calls[place] = (layer.name, (args, kwargs), result)
            return result

        return tapped_call

    layers = [layer for layer in layers_of(model) if not isinstance(layer, (keras.layers.InputLayer, keras.Model))]
    # What layers write, such as the state of random generators, ends with the scope.
    with keras.StatelessScope(), overridden(layers, call=tapped):
        return calls, model(x, training=training)


def _mixed(arguments, others):
    """`arguments` for the first example and `others` for the rest."""

    def mixed(one, other):
        batch = ops.is_tensor(one) and len(one.shape) > 0
        return ops.concatenate([one[:1], other[1:]], axis=0) if batch else one

    return keras.tree.map_structure(mixed, arguments, others)


def _change(result, other):
    """The largest change in the first example, over all tensors of a result."""
    changes = [0.0]
    for a, b in zip(keras.tree.flatten(result), keras.tree.flatten(other), strict=True):
        if ops.is_tensor(a) and len(a.shape) > 0:
            a, b = (ops.convert_to_numpy(value[:1]).astype("float64") for value in (a, b))
            changes.append(float(np.max(np.abs(a - b), initial=0) / max(np.max(np.abs(a), initial=0), 1e-12)))
    return max(changes)

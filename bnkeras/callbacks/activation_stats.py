"""How activations and gradients fare from layer to layer, along the training."""

import keras
import pandas as pd
from keras import ops

from bnkeras.callbacks import _gradients
from bnkeras.callbacks._activations import channel_axis, find_layer, hidden_activations, tapped
from bnkeras.callbacks._probe import ProbeCallback, checked_probe
from bnkeras.statistics._calls import build


class ActivationStats(ProbeCallback):
    """Log what becomes of activations and gradients in each layer while a model trains.

    On a fixed probe batch, for each layer with an activation `a = f(z)`, every `every` steps:

        mean, std        of a, over all examples, positions and units
        dead             share of units with |f'(z)| <= threshold for every example and position
        gradient_norm    sqrt(sum (dL/da)^2), L the model's loss, averaged over the probe as in training

    Dead units pass (almost) no gradient back, whatever the example: of ReLU those whose input is never positive, of a
    sigmoid those that are saturated for all (with the default threshold, |z| > 6.9 everywhere), of leaky ReLU none. Of
    a convolution, a unit is a channel. The gradient norms of neighbouring layers tell whether gradients vanish or
    explode on their way back.

    The model is left as it is, and steps count, as with `PercentileLogger`.

    Args:
        probe: `(x, y)` or `(x, y, sample_weight)`, as `model.fit` takes them; `x` of shape `(examples, ...)`.
        layers: list of layers with an activation, or their names or paths; default: all with a non-linear one, except
            the model's output.
        every: integer, number of training steps from one look to the next; step 0 is the first.
        mode: `"training"` or `"inference"`, what batch normalization uses. Dropout and everything else is off in
            both. Defaults to `"training"`.
        threshold: number of at least 0, see above. Defaults to `1e-3`.

    Raises:
        ValueError: in the constructor for a bad argument; at the start of the training for a probe that does not fit
            the model, a layer that it does not have, or a model that is not compiled.

    Example:

    ```python
    stats = ActivationStats((x_test[:500], y_test[:500]), every=100)
    model.fit(x_train, y_train, callbacks=[stats])
    stats.result().pivot(index="step", columns="layer", values="gradient_norm").plot(logy=True)
    ```

    Reference:
        Schilling, *The Effect of Batch Normalization on Deep Convolutional Neural Networks*, 2016.
    """

    def __init__(self, probe, layers=None, every=100, mode="training", threshold=1e-3):
        super().__init__(every, mode)
        if not isinstance(probe, (tuple, list)) or len(probe) not in (2, 3):
            raise ValueError(f"`probe` must be (x, y) or (x, y, sample_weight). Received: {type(probe).__name__}")
        if not threshold >= 0:
            raise ValueError(f"`threshold` must be at least 0. Received: threshold={threshold!r}")
        if layers is not None and (isinstance(layers, (str, keras.Layer)) or not list(layers)):
            raise ValueError(f"`layers` must be a list of at least one layer. Received: layers={layers!r}")
        self.probe = checked_probe(tuple(probe))
        self.layers = layers
        self.threshold = threshold

    def _open(self, model):
        x, *targets = self.probe
        build(model, x, "probe")
        if not model.compiled:
            raise ValueError(f"The gradient is that of the loss: compile the model. Received: model {model.name!r}")
        x, targets = keras.tree.map_structure(ops.convert_to_tensor, (x, tuple(targets)))
        if self.layers is None:
            layers = hidden_activations(model, x)
        else:
            layers = [find_layer(model, layer) for layer in self.layers]
        self._names = [layer.name for layer in layers]
        if len(set(self._names)) < len(layers):
            self._names = [layer.path for layer in layers]
        zeros = _zeros_like_activations(model, layers, x, targets)
        read = self._compiled(model, lambda *data: _statistics(model, layers, self.threshold, *data))
        self._look = lambda model: ops.convert_to_numpy(read(zeros, x, targets))

    def result(self):
        """A tidy table of the latest training.

        Returns:
            A `pandas.DataFrame` with the columns `step` (training steps done), `layer` (its name, or its path where
            names are not unique), `mean`, `std`, `dead` and `gradient_norm`; layers in the order of their calls.
        """
        columns = ["step", "layer", "mean", "std", "dead", "gradient_norm"]
        rows = [(step, name, *row) for step, look in self._looks for name, row in zip(self._names, look, strict=True)]
        return pd.DataFrame(rows, columns=columns)


def _zeros_like_activations(model, layers, x, targets):
    """Zeros to add to each activation, by the order of the calls; builds the loss on the way."""
    zeros = []

    def keep(layer, z, f):
        a = f(z)
        zeros.append(ops.zeros_like(a))
        return a

    with keras.StatelessScope(), tapped(layers, keep):
        y = model(x, training=False)
    model.compute_loss(x, targets[0], y, *targets[1:])
    return zeros


def _statistics(model, layers, threshold, zeros, x, targets):
    """Mean, standard deviation, share of dead units and gradient norm of each layer, of shape `(layers, 4)`."""
    calls = []

    def loss(zeros):
        seen = []

        def tap(layer, z, f):
            a, slope = _gradients.with_slope(f, z)
            seen.append((a, slope))
            calls.append(layer)
            return a + zeros[len(seen) - 1]

        with tapped(layers, tap):
            y = model(x, training=False)
        return model.compute_loss(x, targets[0], y, *targets[1:]), seen

    gradients, seen = _gradients.at_zeros(loss, zeros)
    rows = []
    for layer in layers:
        own = [(*seen[i], gradients[i]) for i, called in enumerate(calls) if called is layer]
        rows.append(_row(*(_by_unit(tensors, channel_axis(layer)) for tensors in zip(*own, strict=True)), threshold))
    return ops.stack(rows)


def _by_unit(tensors, axis):
    """The tensors of all calls of a layer as one, of shape `(values, units)`."""
    tensors = [ops.cast(ops.moveaxis(tensor, axis, -1), "float32") for tensor in tensors]
    return ops.concatenate([ops.reshape(tensor, (-1, tensor.shape[-1])) for tensor in tensors])


def _row(a, slope, gradient, threshold):
    dead = ops.cast(ops.max(ops.abs(slope), axis=0) <= threshold, "float32")
    return ops.stack([ops.mean(a), ops.std(a), ops.mean(dead), ops.sqrt(ops.sum(ops.square(gradient)))])

"""Statistics of activations and gradients from layer to layer, during training."""

import keras
import numpy as np
import pandas as pd
from keras import ops

from bnkeras.callbacks._activations import calls, channel_axis, find_layer, hidden_activations, mixing_layers, tapped
from bnkeras.callbacks._probe import ProbeCallback, checked_probe
from bnkeras.forward import build


class ActivationStats(ProbeCallback):
    """Log statistics of the activations and gradients of each layer while a model trains.

    On a fixed probe batch, for each layer with an activation `a = f(z)`, every `every` steps:

        mean, std        of a, over all examples, positions and units
        dead             share of units with |f'(z)| <= threshold for every example and position
        gradient_norm    sqrt(sum (dL/da)^2), L the model's loss, averaged over the probe as in training

    Dead units pass (almost) no gradient back, whatever the example: of ReLU those whose input is never positive, of a
    sigmoid those that are saturated for all (with the default threshold, |z| > 6.9 everywhere), of leaky ReLU none. Of
    an activation that mixes units, such as softmax, `dead` is NaN. A unit of a convolution is a channel. The gradient
    norms from layer to layer show whether gradients vanish or explode.

    The model is left as it is, and steps count, as with `PercentileLogger`.

    Args:
        probe: Tuple `(x, y)` or `(x, y, sample_weight)`, as `model.fit` takes them; `x` of shape `(examples, ...)`.
        layers: List of layers with an activation, or their names or paths. Defaults to `None`: all with a non-linear
            one, except the model's output.
        every: Integer, number of training steps from one look to the next; step 0 is the first. Defaults to `100`.
        mode: `"training"` or `"inference"`, what batch normalization uses. Dropout and everything else is off in
            both. Defaults to `"training"`.
        threshold: Float of at least 0, see above. Defaults to `1e-3`.

    Raises:
        ValueError: In the constructor for a bad argument; at the start of the training for a probe that does not fit
            the model, a layer that it does not have, a model that is not compiled, or a backend other than TensorFlow
            and JAX.

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
        if keras.config.backend() not in ("tensorflow", "jax"):
            received = f"backend={keras.config.backend()!r}"
            raise ValueError(f"`ActivationStats` needs the TensorFlow or JAX backend. Received: {received}")
        x, *targets = self.probe
        build(model, x, "probe")
        if not model.compiled:
            raise ValueError(f"`model` must be compiled, for the gradient of its loss. Received: model={model.name!r}")
        x, targets = keras.tree.map_structure(ops.convert_to_tensor, (x, tuple(targets)))
        given = self.layers
        layers = hidden_activations(model, x) if given is None else [find_layer(model, layer) for layer in given]
        names = [layer.name for layer in layers]
        self._names = names if len(set(names)) == len(names) else [layer.path for layer in layers]
        with keras.StatelessScope():
            found, y = calls(model, layers, x)
        mixing = mixing_layers(model, layers, x)
        undefined = np.array([[False, False, any(layer is one for one in mixing), False] for layer in layers])
        # Creates the variables of the loss, where it has any.
        model.compute_loss(x, targets[0], y, *targets[1:])
        callers, zeros = [layer for layer, _, _ in found], [ops.zeros_like(a) for _, _, a in found]
        read = self._compiled(model, lambda *data: _statistics(model, layers, callers, self.threshold, *data))
        self._look = lambda model: np.where(undefined, np.nan, ops.convert_to_numpy(read(zeros, x, targets)))

    def result(self):
        """A tidy table of the latest training.

        Returns:
            A `pandas.DataFrame` with the columns `step` (training steps done), `layer` (its name, or its path where
            names are not unique), `mean`, `std`, `dead` and `gradient_norm`; layers in the order of their calls.
        """
        columns = ["step", "layer", "mean", "std", "dead", "gradient_norm"]
        rows = [(step, name, *row) for step, look in self._looks for name, row in zip(self._names, look, strict=True)]
        return pd.DataFrame(rows, columns=columns)


def _statistics(model, layers, callers, threshold, zeros, x, targets):
    """Mean, standard deviation, share of dead units and gradient norm of each layer, of shape `(layers, 4)`.

    The gradients are those at `zeros`, which are added to the activations that the layers `callers` return, in order.
    """

    def loss(zeros):
        activations = []

        def tap(layer, z, f):
            a, slope = _with_slope(f, z)
            activations.append((a, slope))
            return a + zeros[len(activations) - 1]

        with tapped(layers, tap):
            y = model(x, training=False)
        return model.compute_loss(x, targets[0], y, *targets[1:]), activations

    gradients, activations = _gradients(loss, zeros)
    rows = []
    for layer in layers:
        own = [(*activations[i], gradients[i]) for i, caller in enumerate(callers) if caller is layer]
        rows.append(_row(*(_by_unit(tensors, channel_axis(layer)) for tensors in zip(*own, strict=True)), threshold))
    return ops.stack(rows)


def _with_slope(f, z):
    """`f(z)` and its derivative, of a function that acts on each element by itself."""
    if keras.config.backend() == "jax":
        import jax

        a, pull_back = jax.vjp(f, z)
        return a, pull_back(jax.numpy.ones_like(a))[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(z)
        a = f(z)
    return a, tape.gradient(a, z, unconnected_gradients="zero")


def _gradients(loss, zeros):
    """Gradients at a list of tensors of a function that returns `(loss, further results)`, and the further results."""
    if keras.config.backend() == "jax":
        import jax

        return jax.grad(loss, has_aux=True)(zeros)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(zeros)
        value, results = loss(zeros)
    return tape.gradient(value, zeros, unconnected_gradients="zero"), results


def _by_unit(tensors, axis):
    """The tensors of all calls of a layer as one, of shape `(values, units)`."""
    tensors = [ops.cast(ops.moveaxis(tensor, axis, -1), "float32") for tensor in tensors]
    return ops.concatenate([ops.reshape(tensor, (-1, tensor.shape[-1])) for tensor in tensors])


def _row(a, slope, gradient, threshold):
    dead = ops.cast(ops.max(ops.abs(slope), axis=0) <= threshold, "float32")
    return ops.stack([ops.mean(a), ops.std(a), ops.mean(dead), ops.sqrt(ops.sum(ops.square(gradient)))])

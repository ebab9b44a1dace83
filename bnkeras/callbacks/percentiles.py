"""Percentiles of what goes into an activation, during training."""

import numbers

import keras
import numpy as np
import pandas as pd
from keras import ops

from bnkeras.callbacks._activations import calls, channel_axis, find_layer, hidden_activations
from bnkeras.callbacks._probe import ProbeCallback, checked_probe
from bnkeras.forward import build


class PercentileLogger(ProbeCallback):
    """Log percentiles of the input to each unit's activation while a model trains.

    On a fixed probe batch `x`, for each unit `j` of a layer `a = f(z)` and each percentile `p`, every `every` steps:

        value = p-th percentile of z_j over the examples of the probe (and over positions)

    The activation may be a layer of its own (`Activation`, `ReLU`, `LeakyReLU`, `PReLU`, `ELU`) or an argument of
    another (`Dense(activation=...)`, convolutions): then `z` is what that layer computes before it. A unit is an entry
    of `axis`; for a convolution, a channel, and the percentiles run over examples and positions. The calls of a layer
    that is called several times are pooled.

    The model is left as it is: no weight, moving statistic or random state changes. The first look is before the first
    step. Keras calls batch callbacks once in `steps_per_execution` steps; a look due between two calls is taken at the
    next one, and `step` records when. `bnkeras.training.fit` stops at exactly the steps asked for.

    Args:
        probe: Array of shape `(examples, ...)`, or the structure of arrays that the model takes.
        layer: Layer with an activation, its name or its path. Defaults to `None`: the last one with a non-linear
            activation that is not the model's output.
        every: Integer, number of training steps from one look to the next; step 0 is the first. Defaults to `100`.
        percentiles: Numbers from 0 to 100, interpolated linearly as in `numpy.percentile`. Defaults to `(15, 50, 85)`.
        mode: `"training"` normalizes the probe by its own statistics in every batch normalization layer that is not
            frozen, `"inference"` by the moving ones. Dropout and everything else is off in both. Defaults to
            `"training"`.
        axis: Integer, axis of the units in `z`. Defaults to `None`: the channel axis of a layer that has a
            `data_format`, else the last.

    Raises:
        ValueError: In the constructor for a bad argument; at the start of the training for a probe that does not fit
            the model or a layer that it does not have.

    Example:

    ```python
    logger = PercentileLogger(x_test[:500], every=100)
    model.fit(x_train, y_train, callbacks=[logger])
    logger.result().query("unit == 0")
    ```

    Reference:
        Ioffe & Szegedy, *Batch Normalization*, 2015, figure 1(b, c).
    """

    def __init__(self, probe, layer=None, every=100, percentiles=(15, 50, 85), mode="training", axis=None):
        super().__init__(every, mode)
        self.probe = checked_probe(probe)
        self.layer = layer
        self.percentiles = tuple(percentiles) if np.ndim(percentiles) == 1 else ()
        self.axis = axis
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, numbers.Integral)):
            raise ValueError(f"`axis` must be an integer or `None`. Received: axis={axis!r}")
        if not self.percentiles or not all(0 <= percentile <= 100 for percentile in self.percentiles):
            raise ValueError(
                f"`percentiles` must be a list of numbers from 0 to 100. Received: percentiles={percentiles!r}"
            )

    def _open(self, model):
        build(model, self.probe, "probe")
        probe = keras.tree.map_structure(ops.convert_to_tensor, self.probe)
        layer = hidden_activations(model, probe)[-1] if self.layer is None else find_layer(model, self.layer)
        read = self._compiled(model, lambda x: _inputs(model, layer, x))
        axis = channel_axis(layer) if self.axis is None else self.axis
        rank = len(calls(model, [layer], probe)[0][0][1].shape)
        if not -rank <= axis < rank:
            raise ValueError(f"`axis` must be one of {rank} axes at layer {layer.name!r}. Received: axis={axis}")
        self._look = lambda model: self._percentiles(ops.convert_to_numpy(read(probe)), axis)

    def _percentiles(self, z, axis):
        z = np.moveaxis(z, axis, -1).reshape(-1, z.shape[axis]).astype("float64")
        return np.percentile(z, self.percentiles, axis=0).T

    def result(self):
        """A tidy table of the latest training.

        Returns:
            A `pandas.DataFrame` with the columns `step` (training steps done), `unit`, `percentile` and `value`.
        """
        rows = [
            (step, unit, percentile, value)
            for step, look in self._looks
            for unit, values in enumerate(look)
            for percentile, value in zip(self.percentiles, values, strict=True)
        ]
        return pd.DataFrame(rows, columns=["step", "unit", "percentile", "value"])


def _inputs(model, layer, x):
    """What goes into the activation of `layer` when the model sees `x`, all calls of the layer in one tensor."""
    return ops.cast(ops.concatenate([z for _, z, _ in calls(model, [layer], x)[0]]), "float32")

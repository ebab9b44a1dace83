"""Estimate the population's mean and variance for every batch normalization layer."""

import contextlib
import warnings

import keras
import numpy as np
from keras import ops

from bnkeras.statistics._batches import Batches
from bnkeras.statistics._calls import build, replaced, required_batch_norms, stateless
from bnkeras.statistics._pooling import Pool, moments


def estimate_population_statistics(model, x, batch_size=None, steps=None, sequential=False, layers=None, progress=True):
    """Set the moving statistics of batch normalization to those of the data `x`.

    Each layer's `moving_mean` and `moving_variance` become the mean and the biased variance of all that reaches the
    layer, pooled over the batches `k` of `n_k` values per channel:

        n = sum_k n_k        mean = sum_k n_k * mean_k / n
        variance = sum_k n_k * (variance_k + (mean_k - mean)^2) / n

    in float64, so that a smaller last batch counts by its size. Masked positions do not count. It takes the place of
    running averages that lag, that start from 0 and 1, or that belong to other weights, as after averaging weights.

    What reaches a layer depends on how the layers before it normalize. There are two ways, and in both the first
    layer's statistics are exact and the same for any batch size:

    - `sequential=False`: each layer normalizes by its batch's statistics, as in training. One pass. Deeper layers are
      estimated for the batches' size, so take the one of the training.
    - `sequential=True`: layer by layer, the ones before with the statistics just estimated, as inference will use
      them. The result does not depend on the batch size at all, and equals that of a single batch with all the data;
      at inference on `x`, every layer's input is normalized to exactly mean 0 and variance 1 (less epsilon). It costs
      one pass per layer.

    The two differ by terms of order 1 / batch size. Dropout is off. Weights other than the moving statistics, the
    optimizer, and what `fit`, `evaluate` and `predict` have compiled stay as they are and go on working with the new
    statistics. They are set at the very end: after an error, or an interrupt, the old ones are in place.

    Args:
        model: a `keras.Model` with `BatchNormLayer` or `keras.layers.BatchNormalization` layers, in nested models too.
        x: the inputs: an array of shape `(examples, ...)` or the structure of arrays that the model takes; or batches:
            a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator. Of batches `(x, y)` or `(x, y, weights)`,
            the first counts, unweighted.
        batch_size: integer, examples per batch, for arrays only. Defaults to 32. With `BatchNormLayer(group_size=n)`,
            the batches of the training are groups: take `batch_size=n`.
        steps: integer, number of batches to use; needed for a generator and for endless data. Default: all.
        sequential: boolean, see above; not for a generator, which gives its data only once. Defaults to `False`.
        layers: list of the layers to estimate; the others keep their moving statistics and normalize by them.
            Default: all, frozen ones included.
        progress: boolean, whether to show a bar when it takes more than two seconds. Defaults to `True`.

    Raises:
        TypeError: `model` is not a Keras model, or `x` is of a kind not listed.
        ValueError: `model` has no such layer, `x` is empty or ends before `steps` batches, leaves a layer less than
            two values per channel (none where the model does not call it), or leads to NaN or infinite statistics.

    Warns:
        UserWarning: a batch has one value per channel, which tells deeper layers nothing.

    Example:

    ```python
    model.set_weights(average_of_weights)
    estimate_population_statistics(model, x_train, batch_size=128)
    model.evaluate(x_test, y_test)
    ```

    References:
        - Chan, Golub & LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances*, 1979.
        - Wu & Johnson, *Rethinking "Batch" in BatchNorm*, 2021, section 3 (PreciseBN; pooled as here).
    """
    layers = _checked_layers(model, layers)
    batches = Batches(x, batch_size, steps)
    if sequential and batches.once:
        raise ValueError("`sequential=True` reads the data once per layer, which a generator does not allow.")
    first = batches.first()
    build(model, first, "x")
    estimate = _Estimate(model, layers)
    if sequential:
        for i in estimate.calling_order(first):
            estimate.pool(batches.read(progress, layers[i].name), [i])
    else:
        estimate.pool(batches.read(progress))
    estimate.assign()


def _checked_layers(model, layers):
    known = required_batch_norms(model)
    layers = known if layers is None else list(layers)
    wrong = [layer for layer in layers if not any(layer is one for one in known)]
    if wrong or not layers:
        raise ValueError(f"`layers` must be batch normalization layers of the model. Received: {wrong or layers}")
    renorm = [layer.name for layer in layers if getattr(layer, "renorm", False)]
    if renorm:
        raise ValueError(f"Layers with `renorm=True` keep statistics of another kind. Received: {renorm}")
    return layers


class _Estimate:
    """The pooled statistics of some layers, and the compiled pass over a batch that adds to them."""

    def __init__(self, model, layers):
        self._model = model
        self._layers = layers
        self._pools = [Pool() for _ in layers]
        self._known = [(False, *np.zeros((2, *layer.moving_mean.shape), "float32")) for layer in layers]
        self._order = []
        self._pass = stateless(model, self._moments)

    def calling_order(self, batch):
        """Indices of the layers in the order in which the model calls them."""
        self._pass(batch, self._tensors())
        return list(dict.fromkeys(self._order))

    def pool(self, batches, indices=None):
        """Pool the moments of all layers over the batches, or those of the layers at `indices`."""
        indices = range(len(self._layers)) if indices is None else indices
        smallest = np.inf
        for batch in batches:
            found = self._pass(batch, self._tensors())
            for i in indices:
                for call in found[i]:
                    call = [ops.convert_to_numpy(moment) for moment in call]
                    self._pools[i].add(*call)
                    smallest = min(smallest, call[0].min())
        for i in indices:
            self._known[i] = (True, *self._statistics(i))
        if smallest == 1 and len(indices) > 1:
            warnings.warn(
                "A batch has one value per channel: its variance is 0, and layers after the first see their "
                "predecessors' beta. Use batches of two or more, the last one included.",
                stacklevel=3,
            )

    def _statistics(self, i):
        return self._pools[i].statistics(self._layers[i].name)

    def _tensors(self):
        return [tuple(map(ops.convert_to_tensor, known)) for known in self._known]

    def _moments(self, x, known):
        """The moments of every call of every layer in one forward pass."""
        self._order.clear()
        found = [[] for _ in self._layers]
        with contextlib.ExitStack() as stack:
            for i, layer in enumerate(self._layers):
                stack.enter_context(replaced(layer, call=self._measuring(i, found[i], *known[i])))
            self._model(x, training=False)
        return found

    def _measuring(self, i, found, is_known, mean, variance):
        layer = self._layers[i]

        def call(inputs, training=None, mask=None):
            x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
            count, shift, batch_mean, batch_variance = moments(x, layer.axis, mask)
            found.append((count, shift, batch_mean, batch_variance))
            self._order.append(i)
            y = ops.batch_normalization(
                x,
                ops.where(is_known, ops.cast(mean, x.dtype), shift + batch_mean),
                ops.where(is_known, ops.cast(variance, x.dtype), batch_variance),
                layer.axis,
                offset=None if layer.beta is None else ops.cast(layer.beta, x.dtype),
                scale=None if layer.gamma is None else ops.cast(layer.gamma, x.dtype),
                epsilon=layer.epsilon,
            )
            return ops.cast(y, layer.compute_dtype)

        return call

    def assign(self):
        """Set the moving statistics of the layers."""
        statistics = [self._statistics(i) for i in range(len(self._layers))]
        for layer, (mean, variance) in zip(self._layers, statistics, strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)

"""Estimate the population's mean and variance for every batch normalization layer."""

import warnings

import keras
import numpy as np
from keras import ops

from bnkeras.compiled import forward_of
from bnkeras.forward import build, chosen_batch_norms, overridden, stateless
from bnkeras.inputs import Batches
from bnkeras.keras_internals import layers_of
from bnkeras.layers.moments import axes_but, precise_moments, widened

_LOOPS = (keras.layers.RNN, keras.layers.TimeDistributed)


def estimate_population_statistics(model, x, batch_size=None, steps=None, sequential=False, layers=None, progress=True):
    """Set the moving statistics of batch normalization to those of the data `x`.

    Each layer's `moving_mean` and `moving_variance` become the mean and the biased variance of all that reaches the
    layer, pooled over the batches `k` of `n_k` values per channel:

        n = sum_k n_k        mean = sum_k n_k * mean_k / n
        variance = sum_k n_k * (variance_k + (mean_k - mean)^2) / n

    in float64, so that a smaller last batch counts by its size. Masked positions do not count. It replaces
    running averages that lag, that start from 0 and 1, or that belong to other weights, as after averaging weights.

    What reaches a layer depends on how the layers before it normalize. There are two ways, and in both the first
    layer's statistics are exact and the same for any batch size:

    - `sequential=False`: each layer normalizes by its batch's statistics, as in training. One pass. Deeper layers are
      estimated for the batches' size, so take the one of the training.
    - `sequential=True`: layer by layer, the ones before with the statistics just estimated, as inference will use
      them. The result does not depend on the batch size at all, and equals that of a single batch with all the data;
      at inference on `x`, every layer's input is normalized to exactly mean 0 and variance 1 (less epsilon). It costs
      one pass per call of a layer. A layer that is called several times pools its calls, here and above.

    The two differ by terms of order 1 / batch size. Dropout is off. Weights other than the moving statistics, the
    optimizer, and what `fit`, `evaluate` and `predict` have compiled stay as they are and go on working with the new
    statistics. They are set at the very end: after an error, or an interrupt, the old ones are in place.

    Args:
        model: A `keras.Model` with `BatchNormLayer` or `keras.layers.BatchNormalization` layers, in nested models too.
        x: The inputs: an array of shape `(examples, ...)` or the structure of arrays that the model takes; or batches:
            a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator. Of batches `(x, y)` or `(x, y, weights)`,
            the first counts, unweighted.
        batch_size: Integer, examples per batch, for arrays only. With `BatchNormLayer(group_size=n)`, the batches of
            the training are groups: use `batch_size=n`. Defaults to `None`: 32.
        steps: Integer, number of batches; required for a generator and for endless data. Defaults to `None`: all.
        sequential: Boolean, see above; not for a generator, which gives its data only once. Defaults to `False`.
        layers: List of the layers to estimate; the others keep their moving statistics and normalize by them.
            Defaults to `None`: all, frozen ones included.
        progress: Boolean, whether to show a bar when it takes more than two seconds. Defaults to `True`.

    Raises:
        TypeError: If `model` is not a Keras model, or `x` is of a kind not listed.
        ValueError: If `model` has no such layer, if `x` is empty or ends before `steps` batches, if it leaves a layer
            fewer than two values per channel (none where the model does not call it), or leads to NaN or infinite
            statistics, or if a layer stands inside of a loop over time (`RNN`, `TimeDistributed`).

    Warns:
        UserWarning: If a batch has one value per channel, so that deeper layers see nothing of it.

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
        raise ValueError("`sequential=True` reads the data once per layer. Received: x, a generator, gives it once")
    first = batches.first()
    build(model, first, "x")
    measure = _measure(model, layers)
    pools = [_Pool(layer.name) for layer in layers]
    if sequential:
        _fill_call_by_call(pools, layers, measure, model, batches, progress)
    else:
        for batch in batches.read(progress):
            build(model, batch, "x")
            for i, *moments in measure(batch, []):
                pools[int(i)].add(*moments)
    statistics = [pool.statistics() for pool in pools]
    if not sequential and len(layers) > 1 and min(pool.least for pool in pools) == 1:
        warnings.warn(
            "A batch has one value per channel: its variance is 0, and layers after the first see their predecessors' "
            "beta. Use batches of two or more, the last one included.",
            stacklevel=2,
        )
    for layer, (mean, variance) in zip(layers, statistics, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def _checked_layers(model, layers):
    layers = chosen_batch_norms(model, layers)
    for loop in layers_of(model):
        if isinstance(loop, _LOOPS) and not getattr(loop, "unroll", False):
            inside = [layer.name for layer in layers if any(layer is one for one in layers_of(loop))]
            if inside:
                raise ValueError(
                    f"No statistics leave the loop over time of layer {loop.name!r}. Leave these out of `layers`. "
                    f"Received: layers={inside}"
                )
    renorm = [layer.name for layer in layers if getattr(layer, "renorm", False)]
    if renorm:
        raise ValueError(f"Layers with `renorm=True` keep statistics of another kind. Received: layers={renorm}")
    return layers


def _fill_call_by_call(pools, layers, measure, model, batches, progress):
    """Read the data once for each call of a layer; the calls before it normalize by their own population's statistics.

    A layer that is called several times normalizes each call by that call's statistics, as with a batch of all data.
    """
    callers = [int(i) for i, *_ in measure(batches.first(), [])]
    # For each call, whether its statistics are known, and these.
    known = [(False, *np.zeros((2, *layers[i].moving_mean.shape), "float32")) for i in callers]
    for call, i in enumerate(callers):
        pool = _Pool(layers[i].name)
        for batch in batches.read(progress, layers[i].name):
            build(model, batch, "x")
            moments = measure(batch, known)[call][1:]
            pool.add(*moments)
            pools[i].add(*moments)
        known[call] = (True, *pool.statistics())


def _measure(model, layers):
    """Compile a forward pass that returns the moments of what reaches each of `layers`.

    Returns:
        Function of a batch and of `(is_known, mean, variance)` for each call of a layer, in order, or of an empty list;
        it normalizes by these where they are known and else by the batch's own. It returns, for each call, `(index of
        the layer, count, shift, excess, variance)`, as `precise_moments`.
    """

    def moments_of_calls(x, known):
        calls = []

        def measuring(layer, call):
            i = layers.index(layer)

            def measuring_call(inputs, training=None, mask=None):
                z, mask = widened(inputs), None if mask is None else ops.expand_dims(mask, -1)
                moments = precise_moments(z, axes_but(layer.axis, z), mask)
                count, shift, excess, variance = (ops.reshape(moment, (-1,)) for moment in moments)
                statistics = known[len(calls)] if known else (False, 0.0, 1.0)
                calls.append((i, count, shift, excess, variance))
                return _normalized(layer, z, statistics, shift + excess, variance)

            return measuring_call

        with overridden(layers, call=measuring):
            model(x, training=False)
        return calls

    purpose = ("moments", *map(id, layers))
    compiled = forward_of(model, purpose, lambda: stateless(model, moments_of_calls))
    return lambda x, known: compiled(x, keras.tree.map_structure(ops.convert_to_tensor, known))


def _normalized(layer, x, known, batch_mean, batch_variance):
    is_known, mean, variance = known
    mean = ops.where(is_known, ops.cast(mean, x.dtype), batch_mean)
    variance = ops.where(is_known, ops.cast(variance, x.dtype), batch_variance)
    scale, offset = (None if weight is None else ops.cast(weight, x.dtype) for weight in (layer.gamma, layer.beta))
    y = ops.batch_normalization(x, mean, variance, layer.axis, offset, scale, layer.epsilon)
    return ops.cast(y, layer.compute_dtype)


class _Pool:
    """Mean and variance of a layer over batches, in float64.

    Attributes:
        least: Integer, the fewest values per channel in a batch.
    """

    def __init__(self, name):
        self.least = np.inf
        self._name = name
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, count, shift, excess, variance):
        """Add the `precise_moments` of a batch: Chan, Golub & LeVeque's update."""
        count, shift, excess, variance = (
            ops.convert_to_numpy(value).astype("float64") for value in (count, shift, excess, variance)
        )
        self.least = min(self.least, count.min())
        total = self._count + count
        share = count / np.maximum(total, 1)
        delta = shift + excess - self._mean
        self._mean = self._mean + delta * share
        self._squares = self._squares + variance * count + delta**2 * self._count * share
        self._count = total

    def statistics(self):
        """Return mean and biased variance, as float32.

        Raises:
            ValueError: If there are fewer than two values, or they are not finite.
        """
        if np.min(self._count) < 2:
            raise ValueError(
                "A variance takes at least two values per channel. "
                f"Received: {int(np.min(self._count))} at layer {self._name!r}; is `x` too short, masked, or the layer "
                "not called?"
            )
        statistics = self._mean.astype("float32"), (self._squares / self._count).astype("float32")
        if not np.isfinite(statistics).all():
            raise ValueError(f"`x` leads to NaN or infinite statistics. Received: such values at layer {self._name!r}")
        return statistics

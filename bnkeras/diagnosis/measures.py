"""Forward passes that measure the loss, and what reaches each batch normalization layer."""

import contextlib
import dataclasses
import functools
import warnings

import keras
import numpy as np
from keras import ops

from bnkeras.arguments import count_examples
from bnkeras.forward import overridden, stateless
from bnkeras.layers import BatchNormLayer
from bnkeras.layers.moments import axes_but, precise_moments, widened

_STATISTICS = ("moving_mean", "moving_variance")
_OUT_OF_REACH = ("InaccessibleTensorError", "UnexpectedTracerError")  # of TensorFlow and JAX


@dataclasses.dataclass
class Seen:
    """What reached a layer: moments of shape `(batches, channels)`, a row for each group of a ghost batch."""

    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    peak: float
    wrong: int
    dtype: str

    @functools.cached_property
    def pooled(self):
        """Mean and biased variance per channel, over all batches: those of the population."""
        n = np.maximum(self.count.sum(0), 1)
        mean = (self.count * self.mean).sum(0) / n
        return mean, (self.count * (self.variance + (self.mean - mean) ** 2)).sum(0) / n

    @functools.cached_property
    def averaged(self):
        """Means over the batches, of which moving averages are estimates."""
        return self.mean.mean(0), self.variance.mean(0)

    @functools.cached_property
    def live(self):
        """Which channels have a variance, beyond rounding."""
        mean, variance = self.pooled
        return variance > 1e-12 * mean**2 + 1e-30


class Passes:
    """Passes of a model, each compiled once; they change nothing in it.

    In all modes but the first, everything except batch normalization is in inference (dropout is off):

    - `"training"`: as `model.fit`;
    - `"batch"`: as in training, without dropout: the batch's statistics, where the layer is not frozen;
    - `"inference"`: as `model.predict`, with the statistics that the pass is given;
    - `"population"`: the same, in layers too that infer with the batch's.

    Args:
        model: A built `keras.Model`.
        layers: Its batch normalization layers.
        with_loss: Boolean, whether to measure the model's loss.

    Attributes:
        trained: Set of the indices of layers that normalize by the batch in training; known after that pass.
        by_batch: The same in inference, after that pass.
        hidden: Set of names of batch normalization layers that the model calls and Keras does not track, after the
            pass `"training"`.
    """

    def __init__(self, model, layers, with_loss):
        self.trained, self.by_batch, self.hidden = set(), set(), set()
        self.model, self.layers, self._with_loss = model, layers, with_loss
        self._seeds = [variable for variable in model.variables if variable.name == "seed_generator_state"]
        self._compiled = {}
        self._dtypes = {}

    def run(self, mode, batches, statistics=()):
        """Return the loss, `None` without one, and for each layer `Seen`, `None` where it was not called.

        In inference nothing is noted, and `Seen` is `None`.

        Args:
            mode: One of those above; `"training"` comes first.
            batches: Iterable of `(x, y, sample_weight)`, tensors.
            statistics: For each layer `(mean, variance)`, for inference.
        """
        statistics = keras.tree.map_structure(ops.convert_to_tensor, list(statistics))
        losses, sizes, rows = [], [], [[] for _ in self.layers]
        for step, batch in enumerate(batches):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*one value per channel", UserWarning)  # a finding says so
                loss, notes, _ = self._call(mode, batch, step, statistics)
            losses.append(float(loss))
            sizes.append(count_examples(batch[0], "`x`"))
            for i, *note in notes:
                rows[int(i)].append([ops.convert_to_numpy(value) for value in note])
        seen = [_seen(row, self._dtypes.get(i)) if row else None for i, row in enumerate(rows)]
        return (float(np.average(losses, weights=sizes)) if self._with_loss else None), seen

    def outputs(self, batch, step, statistics):
        """Return the model's outputs in inference as float64 arrays; `step` chooses the random numbers."""
        statistics = keras.tree.map_structure(ops.convert_to_tensor, list(statistics))
        *_, outputs = self._call("inference", batch, step, statistics)
        return [ops.convert_to_numpy(ops.cast(y, "float32")).astype("float64") for y in keras.tree.flatten(outputs)]

    def _call(self, mode, batch, step, statistics):
        if mode not in self._compiled:
            self._compiled[mode] = stateless(self.model, functools.partial(self._forward, mode), self._scope)
        try:
            return self._compiled[mode](batch, ops.convert_to_tensor(step, "int32"), statistics)
        except Exception as error:
            if type(error).__name__ not in _OUT_OF_REACH:
                raise
            names = [layer.name for layer in self.layers]
            message = "What reaches batch normalization inside of a compiled loop, as in an RNN cell, cannot be seen"
            raise ValueError(f"{message}. Received: model={self.model.name!r} with {names}") from error

    def _scope(self, values):
        return _Scope(values, {id(variable) for variable in self.model.variables}, self.hidden)

    def _draw_anew(self, step):
        for seed in self._seeds:
            seed.assign(ops.convert_to_tensor(seed) + ops.cast(ops.stack([0 * step, 1009 * step]), seed.dtype))

    def _forward(self, mode, batch, step, statistics):
        x, y, weights = batch
        self._draw_anew(step)
        for layer, (mean, variance) in zip(self.layers, statistics, strict=False):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
        notes = []
        with self._noting(mode, notes):
            outputs = self.model(x, training=mode == "training")
        loss = self.model.compute_loss(x, y, outputs, weights) if self._with_loss else 0.0
        return ops.cast(loss, "float32"), notes, outputs

    @contextlib.contextmanager
    def _noting(self, mode, notes):
        def noting(layer, call):
            i = next(i for i, one in enumerate(self.layers) if one is layer)

            def noting_call(inputs, training=None, mask=None):
                self._dtypes[i] = keras.backend.standardize_dtype(inputs.dtype)
                if mode in ("training", "batch"):
                    notes.append((i, *_moments(layer, inputs, mask)))
                return call(inputs, training=self._training(mode, i, training), mask=mask)

            return noting_call

        ours = [layer for layer in self.layers if isinstance(layer, BatchNormLayer) and mode == "population"]
        with overridden(ours, inference=lambda layer, old: "population"), overridden(self.layers, call=noting):
            yield

    def _training(self, mode, i, training):
        """What a layer is told, in place of `training`, which its caller said."""
        layer = self.layers[i]
        if mode == "training" and training and layer.trainable:
            self.trained.add(i)
        if mode == "inference" and ((training and layer.trainable) or getattr(layer, "inference", "") == "batch"):
            self.by_batch.add(i)
        return {"batch": i in self.trained, "population": False}.get(mode, training)


class _Scope(keras.StatelessScope):
    """Notes whose moving statistics are assigned that are not among the `tracked` variables."""

    def __init__(self, values, tracked, hidden):
        super().__init__(values)
        self._tracked, self._hidden = tracked, hidden

    def add_update(self, update):
        layer, _, name = update[0].path.rpartition("/")
        if name in _STATISTICS and id(update[0]) not in self._tracked:
            self._hidden.add(layer)
        super().add_update(update)


def _moments(layer, inputs, mask):
    """Count, shift, excess and variance of shape `(groups, channels)`; largest magnitude; how many are not finite."""
    x = widened(inputs)
    size = getattr(layer, "group_size", None)

    def grouped(tensor):
        return ops.expand_dims(tensor, 0) if size is None else ops.reshape(tensor, (-1, size, *ops.shape(tensor)[1:]))

    axes = tuple(i + 1 for i in axes_but(layer.axis, x))
    if mask is not None:
        mask = grouped(ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), ops.shape(x)))
    moments = [ops.squeeze(moment, axes) for moment in precise_moments(grouped(x), axes, mask)]
    finite = ops.isfinite(x)
    wrong = ops.sum(ops.cast(ops.logical_not(finite), "int32"))
    return *moments, ops.max(ops.abs(ops.where(finite, x, 0))), wrong


def _seen(notes, dtype):
    *moments, peaks, wrongs = zip(*notes, strict=True)
    count, shift, excess, variance = (np.concatenate(moment).astype("float64") for moment in moments)
    kept = count[:, 0] > 0
    peak, wrong = float(max(peaks)), int(sum(wrongs))
    return Seen(count[kept], (shift + excess)[kept], variance[kept], peak, wrong, dtype)

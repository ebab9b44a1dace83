"""Inference batch by batch, with each batch's own statistics, in all layers or in some."""

import contextlib

import keras
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax

from bnkeras.compiled import forward_of
from bnkeras.forward import batch_norms, chosen_batch_norms, overridden, stateless
from bnkeras.layers import BatchNormLayer

_AT_ONCE = 500


def predict_batches(model, x, batches, layers=None, group_size=None):
    """Return the outputs of a model for given batches, each normalized by its own statistics.

    Many batches go through the model at once, as groups of a larger one. Moving statistics, and what `fit` and
    `predict` have compiled, stay as they are.

    Args:
        model: A `keras.Model` whose batch normalization layers are `BatchNormLayer`s.
        x: Array of examples.
        batches: Integer array of shape `(batches, size)`, indices into `x`.
        layers: List of the layers that use the batch's own statistics; the others use their moving statistics. Defaults
            to `None`, all of them.
        group_size: Integer, examples whose statistics are taken together; it must divide `size`. Defaults to `None`,
            all of a batch.

    Returns:
        Float array of shape `(batches, size, outputs)`.

    Raises:
        TypeError: If a layer is a `keras.layers.BatchNormalization`.
        ValueError: If `batches` is ill-formed, `group_size` does not divide `size`, or a layer is none of the model's.
    """
    batches = np.asarray(batches)
    if batches.ndim != 2 or batches.dtype.kind not in "iu" or not batches.size:
        raise ValueError(f"`batches` must be integers of shape (batches, size). Received: shape {batches.shape}")
    size = batches.shape[1]
    group_size = size if group_size is None else group_size
    if group_size < 1 or size % group_size:
        raise ValueError(f"`group_size` must divide the batches' {size} examples. Received: group_size={group_size}")
    at_once = max(_AT_ONCE // size, 1)
    parts = np.split(batches, range(at_once, len(batches), at_once))
    with _own_statistics(model, layers, group_size):
        infer = _inference(model, layers, group_size, parts[0].size)
        outputs = [keras.ops.convert_to_numpy(infer(x[part.ravel()])) for part in parts]
    return np.concatenate(outputs).astype("float64").reshape(*batches.shape, -1)


def _inference(model, layers, group_size, examples):
    """Inference as the layers are set up now, compiled once for all layers or none; for some of them that is too rare.

    A last part of fewer examples is not compiled. Neither depends on what was called before, nor do the results.
    """

    def infer(x):
        return model(x, training=False)

    if layers:
        return infer
    purpose = ("batches", group_size if layers is None else None, examples)
    compiled = forward_of(model, purpose, lambda: stateless(model, infer))
    return lambda x: compiled(x) if len(x) == examples else infer(x)


@contextlib.contextmanager
def _own_statistics(model, layers, group_size):
    known = batch_norms(model)
    for layer in known:
        if not isinstance(layer, BatchNormLayer):
            raise TypeError(f"`model` must have no batch normalization but `BatchNormLayer`. Received: {layer.name!r}")
    own = chosen_batch_norms(model, layers, required=False)
    others = [layer for layer in known if all(layer is not one for one in own)]
    to_batch = overridden(own, inference=lambda layer, old: "batch", group_size=lambda layer, old: group_size)
    with to_batch, overridden(others, inference=lambda layer, old: "population"):
        yield


def best_assignment(outputs):
    """Return the likeliest labels of batches that are known to hold one example of each class.

    Of all ways to give each example of a batch a class of its own, the one with the largest sum of log-probabilities.

    Args:
        outputs: Logits of shape `(batches, classes, classes)`.

    Returns:
        Integer array of shape `(batches, classes)`.
    """
    return np.stack([linear_sum_assignment(scores, maximize=True)[1] for scores in log_softmax(outputs, axis=-1)])

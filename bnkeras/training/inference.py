"""Inference with the statistics of the training, of the population, and of each test batch."""

import functools

from bnkeras.forward import overridden
from bnkeras.layers import BatchNormLayer
from bnkeras.statistics import estimate_population_statistics
from bnkeras.training.evaluation import logits

NONE = "none"
MOVING = "moving averages"
POPULATION = "population"
OWN = "batch's own"
_AT_ONCE = 1000


def ways_of_inference(model, x_train, own_batch_size=None):
    """Iterate over the ways in which a model can infer, with the model set up for each in turn.

    The ways are, for a model with `BatchNormLayer`: `MOVING`, the moving averages of the training; `POPULATION`, the
    population's statistics, estimated anew over `x_train` in batches of 1,000; and `OWN`, where `own_batch_size` is
    given, each batch's own, of as many examples as fill whole batches. For any other model there is one, `NONE`. In the
    end weights, moving averages and layers are as they were.

    Args:
        model: A `keras.Model` with logits.
        x_train: Array to estimate the population's statistics over.
        own_batch_size: Integer, size of the batches for `OWN`. Defaults to `None`, without `OWN`.

    Yields:
        `(way, infer)`; `infer(x)` returns logits as `evaluation.logits` does, until the next way is asked for.
    """
    infer = functools.partial(logits, model)
    layers = [layer for layer in model.layers if isinstance(layer, BatchNormLayer)]
    yield MOVING if layers else NONE, infer
    if not layers:
        return
    before = model.get_weights()
    estimate_population_statistics(model, x_train, batch_size=min(_AT_ONCE, len(x_train)), progress=False)
    try:
        yield POPULATION, infer
    finally:
        model.set_weights(before)
    if own_batch_size is not None:
        yield from _own(infer, layers, own_batch_size)


def population_logits(model, x_train, x):
    """Logits for `x` with the population's statistics over `x_train`, or of a model without `BatchNormLayer`."""
    return [infer(x) for _, infer in ways_of_inference(model, x_train)][-1]


def _own(infer, layers, batch_size):
    """Several batches at once, as groups of one large batch."""
    at_once = batch_size * max(_AT_ONCE // batch_size, 1)
    with overridden(layers, inference=lambda layer, old: "batch", group_size=lambda layer, old: batch_size):
        yield OWN, lambda x: infer(x[: len(x) // batch_size * batch_size], batch_size=at_once)

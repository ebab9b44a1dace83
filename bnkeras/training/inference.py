"""A network's test outputs with the statistics of the training, of the population, and of each test batch."""

from bnkeras.layers import BatchNormLayer
from bnkeras.statistics import estimate_population_statistics

from .evaluation import logits

NONE = "none"
MOVING = "moving averages"
POPULATION = "population"
OWN = "batch's own"
_AT_ONCE = 1000


def outputs_by_inference(x_train, x_test, own_batch_size=None):
    """Return a function of a model that gives its test outputs by each way of inference.

    The ways are, for a model with `BatchNormLayer`: `MOVING`, the moving averages of the training; `POPULATION`, the
    population's statistics, estimated anew over `x_train` in batches of 1,000; and `OWN`, each test batch's own, where
    `own_batch_size` is given and there are as many test examples, as many as fill whole batches. For any other model
    there is one, `NONE`. Weights and moving averages are left as they are.

    Args:
        x_train: Array to estimate the population's statistics over.
        x_test: Array of test examples.
        own_batch_size: Integer, size of the test batches for `OWN`. Defaults to `None`, without `OWN`.
    """

    def outputs(model):
        layers = [layer for layer in model.layers if isinstance(layer, BatchNormLayer)]
        if not layers:
            return {NONE: logits(model, x_test)}
        result = {MOVING: logits(model, x_test), POPULATION: _by_population(model, x_train, x_test)}
        if own_batch_size is not None and own_batch_size <= len(x_test):
            result[OWN] = _by_own_batches(model, layers, x_test, own_batch_size)
        return result

    return outputs


def _by_population(model, x_train, x_test):
    before = model.get_weights()
    estimate_population_statistics(model, x_train, batch_size=min(_AT_ONCE, len(x_train)), progress=False)
    outputs = logits(model, x_test)
    model.set_weights(before)
    return outputs


def _by_own_batches(model, layers, x, batch_size):
    """Several batches at once, as groups of one large batch."""
    before = [(layer.inference, layer.group_size) for layer in layers]
    whole = len(x) // batch_size * batch_size
    try:
        for layer in layers:
            layer.inference, layer.group_size = "batch", batch_size
        return logits(model, x[:whole], batch_size * max(_AT_ONCE // batch_size, 1))
    finally:
        for layer, (inference, group_size) in zip(layers, before, strict=True):
            layer.inference, layer.group_size = inference, group_size

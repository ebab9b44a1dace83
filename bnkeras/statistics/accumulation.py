"""Moving statistics in step with gradient accumulation."""

from keras import ops

from bnkeras.arguments import check_integers
from bnkeras.compiled import forget
from bnkeras.forward import batch_norms, check_built, models_of
from bnkeras.keras_internals import micro_steps, unlocked
from bnkeras.layers import BatchNormLayer, accumulation


def accumulate_statistics(model, steps=None):
    """Have batch normalization update its moving statistics when the optimizer updates the weights.

    With `gradient_accumulation_steps=k`, Keras's optimizers update weights once for k micro-batches, while batch
    normalization updates its moving statistics k times. Afterwards each layer has `accumulation_steps=k`, and updates
    them once, by the statistics of all k micro-batches:

        n = sum_i n_i        mean = sum_i n_i * mean_i / n
        variance = sum_i n_i * (variance_i + (mean_i - mean)^2) / n

    so that `momentum` means with k micro-batches what it means with one batch of all their examples. Where nothing
    before it is normalized, and at the same weights, a layer gets the statistics of that batch, save for rounding.
    Layers behind it do not: every micro-batch is still normalized by its own statistics, and what reaches them is not
    what it would be with one batch. The difference is of order 1 / size of a micro-batch.

    Call it after `model.compile`, every time: it counts from the optimizer's present step on. An accumulation that the
    end of an epoch interrupts goes on in the next epoch, as the optimizer's does, and its state is saved with the
    model. Without accumulation in the optimizer, layers update at every step again.

    Args:
        model: A built `keras.Model` with `BatchNormLayer` layers, in nested models too. Frozen layers are included, and
            go on leaving their statistics alone.
        steps: Integer, micro-batches for one update; needed for a model that is not compiled. Where one step calls a
            layer m times, as in a model with shared parts, multiply by m. Defaults to `None`:
            `gradient_accumulation_steps` of the model's optimizer.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it is not built, has no batch normalization layer, or has some of Keras's, which `swap` replaces;
            if `steps` is not a positive integer; or if there is neither `steps` nor an optimizer.

    Example:

    ```python
    model = swap(keras.applications.ResNet50(weights=None))
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=8), "sparse_categorical_crossentropy")
    accumulate_statistics(model)
    model.fit(x, y, batch_size=16)
    ```
    """
    layers = _checked_layers(model)
    check_integers(1, optional=True, steps=steps)
    optimizer = model.optimizer if model.compiled else None
    # What scales the loss of half precision wraps the optimizer that accumulates.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if steps is None and optimizer is None:
        raise ValueError(f"Compile the model first, or give `steps`. Received: steps=None, model={model.name!r}")
    of_optimizer = getattr(optimizer, "gradient_accumulation_steps", None) or 1
    steps = steps or of_optimizer
    done = _value(micro_steps(optimizer)) % of_optimizer if optimizer is not None else 0
    for layer in layers:
        _set(layer, None if steps == 1 else steps, done * steps // of_optimizer)
    forget(models_of(model))


def _checked_layers(model):
    layers = batch_norms(model, required=True)
    keras_layers = [layer.name for layer in layers if not isinstance(layer, BatchNormLayer)]
    if keras_layers:
        raise ValueError(
            "Keras's layers update their statistics at every step; `swap(model)` puts BatchNormLayer in their place. "
            f"Received: model={model.name!r} with {keras_layers}"
        )
    check_built(model)
    return layers


def _set(layer, steps, done):
    """Let a layer pool so many calls, `done` of them over; one that is in step already goes on as it is."""
    before, layer.accumulation_steps = layer.accumulation_steps, steps
    if steps is None:
        if before is not None:
            accumulation.remove_weights(layer)
        return
    if before is None:
        with unlocked(layer):
            accumulation.add_weights(layer)
    if before != steps or _value(layer.accumulated_steps) != done:
        accumulation.restart(layer, done)


def _value(variable):
    return int(ops.convert_to_numpy(variable))

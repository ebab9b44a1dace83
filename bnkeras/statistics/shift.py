"""How the variance that reaches batch normalization shifts between training and inference, as it does after dropout."""

import keras
import numpy as np

from bnkeras.forward import BATCH_NORMS


def variance_shift(model, x):
    """Measure, at each batch normalization layer, the input's variance in inference over that in training.

    Dropout, which is on in training and off in inference, changes the variance of what it lets through, so that
    statistics collected in training do not fit what the layer meets in inference. Per layer, with `v` the variances of
    its input per channel over `x`, and means over the channels `c`:

        shift = exp mean_c log((v_inference + epsilon) / (v_training + epsilon))
        normalized = exp mean_c log((v_inference + epsilon) / (moving_variance + epsilon))

    In training every layer normalizes by the batch `x`, as batch normalization does, and random layers are on; in
    inference it normalizes by the moving statistics, as they are. `normalized` is the variance of what the layer puts
    out in inference, before gamma; in training it is 1. The model is left as it is.

    Args:
        model: A `keras.Model` made of functional layers, with batch normalization layers that are called once.
        x: Array of inputs, of shape `(examples, ...)`, taken as one batch; as many as a few hundred.

    Returns:
        A list of rows with `layer` (its name), `shift` and `normalized`, in the order of `model.layers`.

    Raises:
        ValueError: `model` is no functional model with batch normalization.

    Example:

    >>> variance_shift(model, x_train[:1000])
    [{'layer': 'norm_1', 'shift': 1.0, 'normalized': 0.99}, {'layer': 'norm_2', 'shift': 0.62, 'normalized': 0.6}]

    Reference:
        Li, Chen, Hu & Yang, *Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift*,
        2018.
    """
    layers = [layer for layer in getattr(model, "layers", ()) if isinstance(layer, BATCH_NORMS)]
    if not layers or not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be functional and have batch normalization. Received: model={model!r}")
    inputs = keras.Model(model.input, [layer.input for layer in layers])
    axes = [layer.axis for layer in layers]
    training, inference = (_variances(inputs, axes, x, mode) for mode in (True, False))
    return [_row(*pair) for pair in zip(layers, training, inference, strict=True)]


def _variances(inputs, axes, x, training):
    """Variance per channel of each output of the model `inputs`, whose channels are along one of `axes` each."""
    with keras.StatelessScope():  # drops what a call in training does to moving statistics and seeds
        outputs = inputs(x, training=training)
    arrays = [keras.ops.convert_to_numpy(output).astype("float64") for output in keras.tree.flatten(outputs)]
    arrays = [np.moveaxis(array, axis, -1) for array, axis in zip(arrays, axes, strict=True)]
    return [array.reshape(-1, array.shape[-1]).var(axis=0) for array in arrays]


def _row(layer, training, inference):
    moving = keras.ops.convert_to_numpy(layer.moving_variance)

    def over(variance):
        return float(np.exp(np.mean(np.log((inference + layer.epsilon) / (variance + layer.epsilon)))))

    return {"layer": layer.name, "shift": over(training), "normalized": over(moving)}

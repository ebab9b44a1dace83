"""The fully connected network of Ioffe & Szegedy (2015), section 4.1."""

import keras

from bnkeras.layers import BatchNormLayer

NORMALIZATIONS = {
    "none": lambda name: None,
    "bn": lambda name: BatchNormLayer(name=name),
}


def mlp(input_shape=(28, 28), classes=10, normalization="bn", units=(100, 100, 100), activation="sigmoid", stddev=0.05):
    """Build a multi-layer perceptron with or without normalization before each activation.

    Each hidden layer computes `activation(norm(W x + b))`; under batch normalization `b` is left out, because
    the layer's beta takes its place. The output layer has no normalization and returns logits.

    Args:
        input_shape: shape of one example; flattened if it has more than one axis.
        classes: number of output units.
        normalization: `"none"` or `"bn"`.
        units: widths of the hidden layers.
        activation: activation of the hidden layers, as Keras names it.
        stddev: standard deviation of the Gaussian that every weight is drawn from; biases start at 0. Draws come from
            `keras.utils.set_random_seed` and are the same with and without normalization.

    Returns:
        An uncompiled `keras.Model` with layers `hidden_1`, `norm_1`, `<activation>_1`, ..., `logits`.

    Raises:
        ValueError: for an unknown normalization.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {sorted(NORMALIZATIONS)}, got {normalization!r}")
    inputs = keras.Input(input_shape, name="inputs")
    x = keras.layers.Flatten(name="flatten")(inputs) if len(input_shape) > 1 else inputs
    for i, width in enumerate(units, start=1):
        x = _dense(width, stddev, use_bias=normalization == "none", name=f"hidden_{i}")(x)
        norm = NORMALIZATIONS[normalization](f"norm_{i}")
        x = x if norm is None else norm(x)
        x = keras.layers.Activation(activation, name=f"{activation}_{i}")(x)
    return keras.Model(inputs, _dense(classes, stddev, name="logits")(x), name=f"mlp_{normalization}")


def _dense(width, stddev, name, use_bias=True):
    return keras.layers.Dense(
        width, use_bias=use_bias, kernel_initializer=keras.initializers.RandomNormal(stddev=stddev), name=name
    )

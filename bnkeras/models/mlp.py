"""The fully connected network of Ioffe & Szegedy (2015), section 4.1."""

import keras

from bnkeras.layers import BatchNormLayer, WSDense

NORMALIZATIONS = {
    "none": lambda name, group_size: None,
    "bn": lambda name, group_size: BatchNormLayer(name=name),
    "ln": lambda name, group_size: keras.layers.LayerNormalization(name=name),
    "ws": lambda name, group_size: None,
    "ws_bn": lambda name, group_size: BatchNormLayer(name=name),
    "gn": lambda name, group_size: keras.layers.GroupNormalization(groups=10, name=name),
    "ghost_bn": lambda name, group_size: BatchNormLayer(group_size=group_size, name=name),
}


def mlp(
    input_shape=(28, 28),
    classes=10,
    normalization="bn",
    units=(100, 100, 100),
    activation="sigmoid",
    stddev=0.05,
    group_size=None,
):
    """Build a multi-layer perceptron with or without normalization before each activation.

    Each hidden layer computes `activation(norm(W x + b))`; where a normalization with a beta follows, `b` is left out,
    because beta takes its place. The output layer is a plain one and returns logits.

    Args:
        input_shape: shape of one example; flattened if it has more than one axis.
        classes: number of output units.
        normalization: `"none"`; `"bn"`; `"ln"`, Keras's layer normalization; `"gn"`, Keras's group normalization with
            10 groups of units; `"ws"`, weight standardization of the hidden layers' kernels; `"ws_bn"`, both; or
            `"ghost_bn"`, batch normalization over groups of `group_size` examples.
        units: widths of the hidden layers.
        activation: activation of the hidden layers, as Keras names it.
        stddev: standard deviation of the Gaussian that every weight is drawn from; biases start at 0. Draws come from
            `keras.utils.set_random_seed` and are the same with every normalization.
        group_size: examples a group for `"ghost_bn"`; the batch size must be a multiple of it.

    Returns:
        An uncompiled `keras.Model` with layers `hidden_1`, `norm_1`, `<activation>_1`, ..., `logits`.

    Raises:
        ValueError: for an unknown normalization, or a `group_size` where there is no ghost batch normalization.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {sorted(NORMALIZATIONS)}, got {normalization!r}")
    if (normalization == "ghost_bn") == (group_size is None):
        raise ValueError(f"group_size goes with 'ghost_bn', got {group_size!r} with {normalization!r}")
    inputs = keras.Input(input_shape, name="inputs")
    x = keras.layers.Flatten(name="flatten")(inputs) if len(input_shape) > 1 else inputs
    for i, width in enumerate(units, start=1):
        norm = NORMALIZATIONS[normalization](f"norm_{i}", group_size)
        dense = WSDense if normalization.startswith("ws") else keras.layers.Dense
        x = _dense(dense, width, stddev, use_bias=norm is None, name=f"hidden_{i}")(x)
        x = x if norm is None else norm(x)
        x = keras.layers.Activation(activation, name=f"{activation}_{i}")(x)
    logits = _dense(keras.layers.Dense, classes, stddev, use_bias=True, name="logits")(x)
    return keras.Model(inputs, logits, name=f"mlp_{normalization}")


def _dense(layer, width, stddev, use_bias, name):
    return layer(width, use_bias=use_bias, kernel_initializer=keras.initializers.RandomNormal(stddev=stddev), name=name)

"""The fully connected network of Ioffe & Szegedy (2015), section 4.1."""

import keras

from bnkeras.arguments import check_choice
from bnkeras.layers import BatchNormLayer, WSDense
from bnkeras.models.seeds import layer_seeds

NORMALIZATIONS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
BATCH_NORMALIZED = ("bn", "ws_bn", "ghost_bn")


def mlp(
    input_shape=(28, 28),
    classes=10,
    normalization="bn",
    units=(100, 100, 100),
    activation="sigmoid",
    stddev=0.05,
    group_size=None,
    momentum=0.99,
    ws_scale=1.0,
    seed=None,
):
    """Build a multi-layer perceptron with or without normalization before each activation.

    Each hidden layer computes `activation(norm(W x + b))`; where a normalization with a beta follows, `b` is left out,
    because beta takes its place. The output layer is a plain one and returns logits.

    Args:
        input_shape: Tuple, shape of one example; flattened if it has more than one axis.
        classes: Integer, number of output units.
        normalization: `"none"`; `"bn"`; `"ln"`, Keras's layer normalization; `"gn"`, Keras's group normalization with
            10 groups of units; `"ws"`, weight standardization of the hidden layers' kernels; `"ws_bn"`, both; or
            `"ghost_bn"`, batch normalization over groups of `group_size` examples. Defaults to `"bn"`.
        units: Tuple of integers, widths of the hidden layers.
        activation: Activation of the hidden layers, as Keras names it. Defaults to `"sigmoid"`.
        stddev: Float, standard deviation of the Gaussian that every weight is drawn from; biases start at 0.
        group_size: Integer, examples in a group for `"ghost_bn"`; the batch size must be a multiple of it.
        momentum: Float, of the moving averages of batch normalization. Defaults to `0.99`.
        ws_scale: Float, standard deviation of standardized kernels as they are used. Defaults to `1.0`.
        seed: Integer for the weights, which are the same with every normalization; `None` for Keras's global seed.

    Returns:
        An uncompiled `keras.Model` with layers `hidden_1`, `norm_1`, `<activation>_1`, ..., `logits`.

    Raises:
        ValueError: For an unknown normalization, or a `group_size` where there is no ghost batch normalization.
    """
    check_choice(NORMALIZATIONS, normalization=normalization)
    if (normalization == "ghost_bn") == (group_size is None):
        raise ValueError(f"`group_size` goes with 'ghost_bn'. Received: {group_size!r} with {normalization!r}")
    inputs = keras.Input(input_shape, name="inputs")
    x = keras.layers.Flatten(name="flatten")(inputs) if len(input_shape) > 1 else inputs
    seeds = layer_seeds(seed)
    for i, width in enumerate(units, start=1):
        norm = _norm(normalization, f"norm_{i}", group_size, momentum)
        options = {"scale": ws_scale} if normalization.startswith("ws") else {}
        dense = WSDense if options else keras.layers.Dense
        x = _dense(dense, width, stddev, seeds(), use_bias=norm is None, name=f"hidden_{i}", **options)(x)
        x = x if norm is None else norm(x)
        x = keras.layers.Activation(activation, name=f"{activation}_{i}")(x)
    logits = _dense(keras.layers.Dense, classes, stddev, seeds(), use_bias=True, name="logits")(x)
    return keras.Model(inputs, logits, name=f"mlp_{normalization}")


def _norm(normalization, name, group_size, momentum):
    if normalization == "ln":
        return keras.layers.LayerNormalization(name=name)
    if normalization == "gn":
        return keras.layers.GroupNormalization(groups=10, name=name)
    if normalization in BATCH_NORMALIZED:
        return BatchNormLayer(momentum=momentum, group_size=group_size, name=name)
    return None


def _dense(layer, width, stddev, seed, **options):
    return layer(width, kernel_initializer=keras.initializers.RandomNormal(stddev=stddev, seed=seed), **options)

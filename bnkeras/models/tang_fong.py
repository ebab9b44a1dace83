"""The convolutional networks of Tang & Fong, with batch normalization after any of their blocks."""

import keras
from keras import layers
from keras.initializers import GlorotUniform

from bnkeras.arguments import check_choice
from bnkeras.layers import BatchNormLayer
from bnkeras.models.seeds import layer_seeds

# Channels in units of the width, and whether the block pools.
_MODELS = {
    1: ((1, False), (1, True), (1, False), (1, True), (2, False), (2, True)),
    2: ((1, True), (1, True), (2, True), (2, True)),
    3: ((1, False), (1, True), (1, False), (1, True), (2, False), (2, True)),
}


def block_count(model):
    """Number of blocks of a model, and so of places for batch normalization."""
    return len(_MODELS[model])


def tang_fong(model=2, input_shape=(64, 64, 3), classes=3, bn_after=(), bn_before_pool=False, width=64, seed=None):
    """Build one of the three networks that Tang & Fong compare, with batch normalization where it is wanted.

    Blocks in a row, then a dense layer of `8 * width` units with ReLU and a dense layer of logits. With `c = width`:

        model 1    [c ReLU] [c ReLU Pool] [c ReLU] [c ReLU Pool] [2c ReLU] [2c ReLU Pool]
        model 2    [c ReLU Pool] [c ReLU Pool] [2c ReLU Pool] [2c ReLU Pool]
        model 3    model 1, but with Pool before ReLU

    Convolutions are 3x3, in turn with padding "same" and "valid", pools are the maximum over 2x2 with padding "same",
    weights start as Keras starts them (Glorot uniform, biases 0). Max-pooling and ReLU commute, so models 1 and 3 are
    one and the same function of their weights.

    Args:
        model: `1`, `2` or `3`.
        input_shape: Tuple (height, width, channels).
        classes: Integer, number of logits.
        bn_after: Integers, the blocks, counted from 1, that a `BatchNormLayer` follows. Defaults to none.
        bn_before_pool: Whether it stands before the pool of its block instead, as in the authors' notebook in blocks
            2 and 4. Defaults to `False`, as in their figure 2.
        width: Integer, channels of the first block. Defaults to `64`.
        seed: Integer for the weights; `None` for Keras's global seed. Defaults to `None`.

    Returns:
        An uncompiled `keras.Model` with layers `conv_1`, `relu_1`, `pool_1`, `bn_1`, ..., `dense`, `logits`.

    Raises:
        ValueError: For an unknown model, a block that is not there, or an input too small for the convolutions.

    Reference:
        Tang & Fong, *Understanding Layers of Batch Normalization through Convolutional Neural Networks*, figures 1, 2.
    """
    bn_after = _checked(model, bn_after)
    inputs = x = keras.Input(input_shape, name="inputs")
    seeds = layer_seeds(seed)
    for number, (channels, pools) in enumerate(_MODELS[model], start=1):
        padding = "same" if number % 2 else "valid"
        if padding == "valid" and min(x.shape[1:3]) < 3:
            raise ValueError(f"`input_shape` is too small for block {number} of model {model}. Received: {input_shape}")
        x = layers.Conv2D(
            channels * width, 3, padding=padding, kernel_initializer=GlorotUniform(seeds()), name=f"conv_{number}"
        )(x)
        for name in _order(model, pools, number in bn_after, bn_before_pool):
            x = _LAYERS[name](f"{name}_{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(8 * width, activation="relu", kernel_initializer=GlorotUniform(seeds()), name="dense")(x)
    # In half precision a logit has three digits.
    x = layers.Dense(classes, kernel_initializer=GlorotUniform(seeds()), dtype="float32", name="logits")(x)
    return keras.Model(inputs, x, name=f"tang_fong_{model}")


_LAYERS = {
    "relu": lambda name: layers.ReLU(name=name),
    "pool": lambda name: layers.MaxPooling2D(2, padding="same", name=name),
    "bn": lambda name: BatchNormLayer(name=name),
}


def _checked(model, bn_after):
    check_choice(_MODELS, model=model)
    blocks = range(1, block_count(model) + 1)
    if isinstance(bn_after, (int, str)):
        raise ValueError(f"`bn_after` must be a list or tuple of blocks. Received: {bn_after!r}")
    for block in bn_after:
        if block not in blocks:
            raise ValueError(f"`bn_after` must name blocks of model {model}, 1 to {len(blocks)}. Received: {block!r}")
    return frozenset(bn_after)


def _order(model, pools, normalizes, bn_before_pool):
    """Names of what follows the convolution of a block."""
    order = ["pool", "relu"] if model == 3 and pools else ["relu", "pool"] if pools else ["relu"]
    if normalizes:
        order.insert(order.index("pool") if bn_before_pool and pools else len(order), "bn")
    return order

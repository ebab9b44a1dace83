"""The residual networks of Hajaj & Gillies, for CIFAR-10 and for subsets of ImageNet."""

import itertools

import keras
from keras import layers
from keras.initializers import HeNormal

from bnkeras.arguments import check_choice
from bnkeras.layers import BatchNormLayer
from bnkeras.models.resnet import residual_block
from bnkeras.models.seeds import layer_seeds

NORMALIZATIONS = ("bn", "gn", "ln", "none")
_LARGE = 34  # of table 4; other depths are of table 1


def hajaj_gillies(
    depth=20,
    width=None,
    input_shape=None,
    classes=10,
    normalization="bn",
    group_size=None,
    weight_decay=0.0,
    rescaling=None,
    seed=None,
):
    """Build a residual network of table 1 or 4 of Hajaj & Gillies, at any width and input size.

    With `w = width`, each convolution followed by normalization and ReLU, and blocks of two convolutions:

        depth 6n + 2   conv 3x3 w, n blocks w, pool, n blocks 2w, pool, n blocks 4w               36x36, w = 64
        depth 34       conv 5x5 w stride 2, pool, 3 blocks w, pool, 4 blocks 2w, pool, 6 blocks 4w, pool, 3 blocks 8w
                                                                                                224x224, w = 96

    then the mean over positions and a dense layer of logits. Pools are the maximum over 3x3 with stride 2, padding
    "same". Where a stage has more channels than the one before, the shortcut of its first block fills them with zeros.
    Weights start as He et al. draw them, without biases beside a normalization.

    Args:
        depth: Integer, layers with weights: 20 and 44 in table 1 (any `6n + 2`), or 34.
        width: Integer, channels of the first stage. Defaults to `None`, the paper's.
        input_shape: Tuple (height, width, channels). Defaults to `None`, the paper's.
        classes: Integer, number of logits. Defaults to `10`.
        normalization: `"bn"`; `"gn"`, Keras's group normalization with 8 groups of channels; `"ln"`, the same with
            one, layer normalization over channels and positions; or `"none"`. Defaults to `"bn"`.
        group_size: Integer, examples that batch normalization takes statistics over. Defaults to `None`, the batch.
        weight_decay: Float, `w` adds `weight_decay * w` to the gradient of every kernel. Defaults to `0.0`.
        rescaling: Float, a factor for the inputs, such as `1 / 255`. Defaults to `None`, none.
        seed: Integer for the weights; `None` for Keras's global seed. Defaults to `None`.

    Returns:
        An uncompiled `keras.Model` with layers `conv_1`, `bn_1`, ..., `logits`.

    Raises:
        ValueError: For an unknown depth or normalization.

    Reference:
        Hajaj & Gillies, *Batch Normalization and the impact of batch structure on the behavior of deep convolution
        networks*, tables 1 and 4.
    """
    blocks, kernel, strides, defaults = _table(depth)
    check_choice(NORMALIZATIONS, normalization=normalization)
    width, input_shape = width or defaults[0], input_shape or defaults[1]
    seeds, numbers = layer_seeds(seed), itertools.count(1)
    decay = {"kernel_regularizer": keras.regularizers.L2(weight_decay / 2)} if weight_decay else {}
    options = {"padding": "same", "use_bias": normalization == "none", **decay}

    def convolution(x, filters, strides=1, kernel=3):
        number = next(numbers)
        initializer = HeNormal(seeds())
        x = layers.Conv2D(filters, kernel, strides, kernel_initializer=initializer, name=f"conv_{number}", **options)(x)
        return _normalized(x, normalization, group_size, number)

    inputs = x = keras.Input(input_shape, name="inputs")
    if rescaling is not None:
        x = layers.Rescaling(rescaling, dtype="float32")(x)
    x = layers.ReLU()(convolution(x, width, strides, kernel))
    for stage, count in enumerate(blocks):
        if stage or strides > 1:
            x = layers.MaxPooling2D(3, 2, padding="same")(x)
        for _ in range(count):
            x = residual_block(x, width * 2**stage, 1, convolution)
    # In half precision a mean and a logit have three digits.
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    x = layers.Dense(classes, kernel_initializer=HeNormal(seeds()), dtype="float32", name="logits", **decay)(x)
    return keras.Model(inputs, x, name=f"resnet_{depth}")


def _table(depth):
    """Blocks of each stage, kernel and strides of the first convolution, and width and input shape of the paper."""
    if depth == _LARGE:
        return (3, 4, 6, 3), 5, 2, (96, (224, 224, 3))
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"`depth` must be 34 or 6n + 2. Received: depth={depth!r}")
    return (blocks,) * 3, 3, 1, (64, (36, 36, 3))


def _normalized(x, normalization, group_size, number):
    name = f"{normalization}_{number}"
    if normalization == "none":
        return x
    if normalization == "bn":
        return BatchNormLayer(momentum=0.9, group_size=group_size, name=name)(x)
    return layers.GroupNormalization(1 if normalization == "ln" else 8, name=name)(x)

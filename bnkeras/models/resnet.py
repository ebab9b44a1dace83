"""The residual networks that He et al. train on CIFAR-10."""

import functools

import keras
from keras import layers

from bnkeras.layers import BatchNormLayer


def resnet(depth=20, filters=(16, 32, 64), input_shape=(32, 32, 3), classes=10, normalization=BatchNormLayer):
    """Build a CIFAR ResNet: a convolution, stages of residual blocks, average pooling and a softmax layer.

        block(x) = relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))

    Each stage after the first halves height and width; there the shortcut takes every second position and fills the
    new channels with zeros (option A), so that it has no weights.

    Args:
        depth: Integer, number of layers with weights, `2 * len(filters) * n + 2` for blocks of two convolutions and
            n blocks a stage. Defaults to `20`.
        filters: Tuple of integers, channels of each stage. Defaults to `(16, 32, 64)`.
        input_shape: Tuple (height, width, channels). Defaults to `(32, 32, 3)`.
        classes: Integer, number of classes. Defaults to `10`.
        normalization: Callable without arguments that returns a layer to follow each convolution, or `None` for a
            network without normalization, whose convolutions have biases. Defaults to `BatchNormLayer`.

    Returns:
        A `keras.Model` from images to class probabilities.

    Raises:
        ValueError: If no whole number of blocks gives `depth`.

    Reference:
        He et al., *Deep Residual Learning for Image Recognition*, 2015, section 4.2.
    """
    blocks, rest = divmod(depth - 2, 2 * len(filters))
    if rest or blocks < 1:
        raise ValueError(f"`depth` must be {2 * len(filters)}n + 2 for {len(filters)} stages. Received: depth={depth}")
    convolution = functools.partial(_convolution, normalization=normalization)
    inputs = keras.Input(input_shape)
    x = layers.ReLU()(convolution(inputs, filters[0]))
    for stage, channels in enumerate(filters):
        for block in range(blocks):
            x = residual_block(x, channels, 2 if stage and not block else 1, convolution)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, activation="softmax", kernel_initializer="he_normal")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def residual_block(x, filters, strides, convolution):
    """Two convolutions around which their input goes, halved and with channels of zeros where that is needed.

    Args:
        x: Tensor of shape `[n, height, width, channels]`.
        filters: Integer, channels of the result.
        strides: Integer, of the first convolution.
        convolution: Function `(x, filters, strides)` of a convolution with its normalization.
    """
    y = layers.ReLU()(convolution(x, filters, strides))
    y = convolution(y, filters, 1)
    return layers.ReLU()(layers.Add()([y, _shortcut(x, filters, strides)]))


def _convolution(x, filters, strides=1, *, normalization):
    convolution = layers.Conv2D(
        filters, 3, strides, padding="same", use_bias=normalization is None, kernel_initializer="he_normal"
    )
    return convolution(x) if normalization is None else normalization()(convolution(x))


def _shortcut(x, filters, strides):
    if strides > 1:
        x = layers.AveragePooling2D(1, strides)(x)
    missing = filters - x.shape[-1]
    if missing:
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
    return x

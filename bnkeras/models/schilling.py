"""The two networks of Schilling's thesis, with all that it varies as arguments."""

import keras
from keras import initializers, layers, regularizers

from bnkeras.arguments import check_choice
from bnkeras.layers import BatchNormLayer
from bnkeras.models.seeds import layer_seeds

INITIALIZERS = {
    "kaiming": lambda seed: initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal", seed),
    "kaiming, gain 1": lambda seed: initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed),
    "xavier": lambda seed: initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal", seed),
    "normal": lambda seed: initializers.RandomNormal(0.0, 1.0, seed),
}
GAMMAS = {"ones": lambda seed: initializers.Ones(), "uniform": lambda seed: initializers.RandomUniform(0, 1, seed)}
NORMS = {"none": None, "bn": BatchNormLayer, "keras_bn": layers.BatchNormalization}
MOMENTUM = 0.9
EPSILON = 1.001e-5
BLOCKS = 5


def schilling_mlp(input_shape=(32, 32), classes=10, normalization="bn", width=100, seed=None, **options):
    """Build the multi-layer perceptron: three hidden layers, then logits.

    A hidden layer is dense, normalization, activation, dropout.

    Args:
        input_shape: Tuple, shape of one example, which is flattened. Defaults to `(32, 32)`.
        width: Integer, units of a hidden layer. Defaults to `100`.
        classes, normalization, seed, **options: See `schilling_cnn`.

    Returns:
        An uncompiled `keras.Model` with layers `dense_1`, `norm_1`, `relu_1`, `dropout_1`, ..., `logits`.

    Raises:
        ValueError: For an unknown normalization, initializer or gamma.
    """
    hidden, logits = _parts(normalization, seed, **options)
    inputs = keras.Input(input_shape, name="inputs")
    x = layers.Flatten(name="flatten")(inputs)
    for number in range(1, 4):
        x = hidden(x, number, layers.Dense, width, name=f"dense_{number}")
    return keras.Model(inputs, logits(x, classes), name=f"schilling_mlp_{normalization}")


def schilling_cnn(input_shape=(32, 32, 3), classes=10, normalization="bn", width=32, seed=None, **options):
    """Build the convolutional network: five blocks, a hidden dense layer, then logits.

    A block is a 3x3 convolution with padding "same", normalization, activation, dropout, and max-pooling over 2x2; its
    convolution has twice as many channels as the one before. The dense layer has as many units as the last block has
    channels. Normalization always stands before the activation, and biases are kept beside it.

    Args:
        input_shape: Tuple (height, width, channels), of at least 32x32 pixels. Defaults to `(32, 32, 3)`.
        classes: Integer, number of logits. Defaults to `10`.
        normalization: `"none"`; `"bn"`, `BatchNormLayer`; or `"keras_bn"`, `keras.layers.BatchNormalization`; both
            with Torch7's momentum, 0.9 as Keras counts, and its epsilon, 1e-5, raised by a thousandth to the least
            that TensorFlow's fused kernel takes. Defaults to `"bn"`.
        width: Integer, channels of the first block. Defaults to `32`.
        seed: Integer for weights and dropout; kernels are the same whatever the other arguments. `None` for Keras's
            global seed. Defaults to `None`.
        activation: Activation of the hidden layers, as Keras names it. Defaults to `"relu"`.
        initializer: Of all kernels: `"kaiming"`, N(0, 2 / fan_in), or `"kaiming, gain 1"`, N(0, 1 / fan_in), as the
            public code leaves the gain out; `"xavier"`, N(0, 2 / (fan_in + fan_out)); or `"normal"`, N(0, 1). None is
            truncated; biases start at 0. Defaults to `"kaiming"`.
        gamma: How the scales of normalization start: `"ones"`, or `"uniform"`, U(0, 1), as in Torch7. Defaults to
            `"ones"`.
        weight_decay: Float, lambda of the penalty lambda / 2 * sum w^2 over all parameters, biases, gammas and betas
            included; as a regularizer, so that it goes through the momentum, as in the thesis. Defaults to `0.0`.
        dropout: Float in [0, 1), rate of the dropout after each activation. Defaults to `0.0`, none.
        dtype: Name of the dtype policy of all layers but the last, such as `"mixed_bfloat16"`. Defaults to `None`,
            Keras's.

    Returns:
        An uncompiled `keras.Model` with layers `conv_1`, `norm_1`, `relu_1`, `dropout_1`, `pool_1`, ..., `dense`,
        `norm_6`, `relu_6`, `dropout_6`, `logits`.

    Raises:
        ValueError: For an unknown normalization, initializer or gamma, or an input too small for five pools.

    Example:

    >>> models.schilling_cnn((32, 32, 1), normalization="none", activation="sigmoid", initializer="xavier", seed=0)

    Reference:
        Schilling, *The Effect of Batch Normalization on Deep Convolutional Neural Networks*, 2016.
    """
    if min(input_shape[:2]) < 2**BLOCKS:
        raise ValueError(f"`input_shape` must be at least 32x32 pixels. Received: input_shape={input_shape}")
    hidden, logits = _parts(normalization, seed, **options)
    inputs = x = keras.Input(input_shape, name="inputs")
    for number in range(1, BLOCKS + 1):
        channels = width * 2 ** (number - 1)
        x = hidden(x, number, layers.Conv2D, channels, kernel_size=3, padding="same", name=f"conv_{number}")
        x = layers.MaxPooling2D(2, name=f"pool_{number}", dtype=options.get("dtype"))(x)
    x = layers.Flatten(name="flatten")(x)
    x = hidden(x, BLOCKS + 1, layers.Dense, channels, name="dense")
    return keras.Model(inputs, logits(x, classes), name=f"schilling_cnn_{normalization}")


def _parts(
    normalization,
    seed,
    activation="relu",
    initializer="kaiming",
    gamma="ones",
    weight_decay=0.0,
    dropout=0.0,
    dtype=None,
):
    """Two functions: `hidden(x, number, layer, size, **options)` and `logits(x, classes)`."""
    check_choice(NORMS, normalization=normalization)
    check_choice(INITIALIZERS, initializer=initializer)
    check_choice(GAMMAS, gamma=gamma)
    norm, kernel, scale = NORMS[normalization], INITIALIZERS[initializer], GAMMAS[gamma]
    seeds = layer_seeds(seed)

    def penalties(*names):
        return {f"{name}_regularizer": regularizers.L2(weight_decay / 2) for name in names if weight_decay}

    def linear(layer, size, seed, **options):
        return layer(size, kernel_initializer=kernel(seed), **penalties("kernel", "bias"), **options)

    def hidden(x, number, layer, size, **options):
        own = [seeds() for _ in range(3)]  # drawn in any case, so that kernels do not hang on the other arguments
        x = linear(layer, size, own[0], dtype=dtype, **options)(x)
        if norm is not None:
            options = {"momentum": MOMENTUM, "epsilon": EPSILON, "gamma_initializer": scale(own[1]), "dtype": dtype}
            x = norm(**options, **penalties("gamma", "beta"), name=f"norm_{number}")(x)
        x = layers.Activation(activation, name=f"{activation}_{number}", dtype=dtype)(x)
        return layers.Dropout(dropout, seed=own[2], name=f"dropout_{number}", dtype=dtype)(x) if dropout else x

    return hidden, lambda x, classes: linear(layers.Dense, classes, seeds(), name="logits", dtype="float32")(x)

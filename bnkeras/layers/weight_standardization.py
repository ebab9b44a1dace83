"""Layers that standardize their kernel as they use it."""

import keras
from keras import ops

from bnkeras.layers.moments import widened

EPSILON = 1e-5


def standardize(kernel):
    """Standardize a kernel over all axes but the last, that of the outputs.

        kernel_hat = (kernel - mean) / (std + 1e-5)

    Args:
        kernel: Float tensor of shape `(..., outputs)`.

    Returns:
        A tensor of the same shape and dtype. A constant kernel gives zeros, with finite gradients.

    Reference:
        Qiao et al., *Micro-Batch Training with Batch-Channel Normalization and Weight Standardization*,
        2019, section 3.
    """
    w = widened(kernel)
    axes = tuple(range(len(w.shape) - 1))
    centred = w - ops.mean(w, axes, keepdims=True)
    variance = ops.mean(ops.square(centred), axes, keepdims=True)
    varies = variance > 0
    std = ops.where(varies, ops.sqrt(ops.where(varies, variance, 1.0)), 0.0)
    return ops.cast(centred / (std + EPSILON), kernel.dtype)


class _WeightStandardization:
    """Mixin for Keras layers with a kernel; the stored kernel stays as it is.

    Args:
        *args, **kwargs: Those of the Keras layer.
        scale: Float, factor of the standardized kernel, so its standard deviation. Defaults to `1.0`.
    """

    def __init__(self, *args, scale=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        if not scale > 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale!r}")
        if self.quantization_mode is not None:
            raise ValueError(f"{self._refusal()} Received: dtype={self.dtype_policy.name!r}")
        self.scale = float(scale)

    def get_config(self):
        """Return the arguments that make this layer."""
        return super().get_config() | {"scale": self.scale}

    def build(self, input_shape):
        super().build(input_shape)
        shape = tuple(self.kernel.shape)
        if all(n == 1 for n in shape[:-1]):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has one weight per output, which standardizes to zero. "
                f"Received: input_shape={tuple(input_shape)}, for a kernel of shape {shape}"
            )

    def _kernel_in_use(self, kernel):
        return standardize(kernel) * self.scale

    def quantize(self, *args, **kwargs):
        """Refuse: Keras's quantized calls would use the kernel as it is stored."""
        raise NotImplementedError(self._refusal())

    def _refusal(self):
        return (
            f"{type(self).__name__} {self.name!r} cannot be quantized by Keras, which would use the kernel without "
            "standardization; it stays as it is. TFLite, which quantizes the standardized kernel, can: "
            "model.export('model.tflite', format='litert', optimizations=[tf.lite.Optimize.DEFAULT])."
        )


@keras.saving.register_keras_serializable(package="bnkeras")
class WSDense(_WeightStandardization, keras.layers.Dense):
    """`keras.layers.Dense` with weight standardization; arguments as there."""

    def call(self, inputs, training=None):
        """Multiply by the standardized kernel, add the bias, apply the activation."""
        y = ops.matmul(inputs, self._kernel_in_use(self.kernel))
        if self.bias is not None:
            y = ops.add(y, self.bias)
        return y if self.activation is None else self.activation(y)


@keras.saving.register_keras_serializable(package="bnkeras")
class WSConv1D(_WeightStandardization, keras.layers.Conv1D):
    """`keras.layers.Conv1D` with weight standardization; arguments as there."""

    def call(self, inputs):
        """Convolve with the standardized kernel, causally if asked to, add the bias, apply the activation."""
        channels_last, padding = self.data_format == "channels_last", self.padding
        if padding == "causal":
            time = (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0)
            inputs = ops.pad(inputs, [(0, 0), time, (0, 0)] if channels_last else [(0, 0), (0, 0), time])
            padding = "valid"
        y = ops.conv(
            inputs,
            self._kernel_in_use(self.kernel),
            strides=list(self.strides),
            padding=padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.bias is not None:
            y = ops.add(y, self.bias if channels_last else ops.expand_dims(self.bias, -1))
        return y if self.activation is None else self.activation(y)


class _WSConv(_WeightStandardization):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, self._kernel_in_use(kernel))


@keras.saving.register_keras_serializable(package="bnkeras")
class WSConv2D(_WSConv, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with weight standardization; arguments as there."""


@keras.saving.register_keras_serializable(package="bnkeras")
class WSConv3D(_WSConv, keras.layers.Conv3D):
    """`keras.layers.Conv3D` with weight standardization; arguments as there."""

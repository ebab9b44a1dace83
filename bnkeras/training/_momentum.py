"""SGD with momentum as one kernel a variable, for TensorFlow graphs, where Keras takes eight passes over each."""

import contextlib

import keras
import tensorflow as tf

from bnkeras.forward import overridden
from bnkeras.keras_internals import in_xla


def fused_momentum(model):
    """A context in which the optimizer of `model`, where it is SGD with momentum, updates a variable by one kernel.

        m <- momentum * m - learning_rate * gradient
        w <- w + m        with Nesterov's: w + momentum * m - learning_rate * gradient

    What Keras does before and after (schedules, clipping, weight decay, averages) stays Keras's. The kernel rounds once
    where Keras's operations round twice, so a model in float32 keeps these, and trains bit for bit as it did.
    """
    optimizer = model.optimizer
    if type(optimizer) is not keras.optimizers.SGD or not optimizer.momentum or model.compute_dtype == "float32":
        return contextlib.nullcontext()
    return overridden([optimizer], update_step=lambda optimizer, keras_step: _update_step(model, keras_step))


def _update_step(model, keras_step):
    optimizer = model.optimizer

    def update_step(gradient, variable, learning_rate):
        own = [m for w, m in zip(model.trainable_variables, optimizer.momentums, strict=True) if w.value is variable]
        if in_xla() or len(own) != 1 or not isinstance(gradient, tf.Tensor):
            return keras_step(gradient, variable, learning_rate)
        return tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=own[0].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.constant(optimizer.momentum, variable.dtype),
            use_nesterov=optimizer.nesterov,
        )

    return update_step

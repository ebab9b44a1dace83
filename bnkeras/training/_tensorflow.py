"""Many training or test steps as one TensorFlow program."""

import keras
import tensorflow as tf

from bnkeras.devices import has_accelerator
from bnkeras.keras_internals import layers_of
from bnkeras.training._momentum import fused_momentum


def compiled_steps(model, data, order, generator, *, training, augment, jit, few, any_size):
    """Compile `model.train_step` or `model.test_step` over batches gathered on the device, for `program_for`.

    Args:
        generator: `keras.random.SeedGenerator` for `augment`.
        few: Boolean, whether to expect so few steps that compiling with XLA takes longer than it saves.
        any_size: Boolean, whether one trace serves batches of any size, as in `model.fit`.
    """
    step = tf.function(_one_step(model, training, augment, generator))
    batch_size = None if any_size else order.shape[1]
    traced = step.get_concrete_function(
        tf.nest.map_structure(lambda t: tf.TensorSpec([batch_size, *t.shape[1:]], t.dtype), data)
    )
    jit = is_xla_faster(model, traced.graph, few) if jit == "auto" else jit

    def steps(data, order, start, stop):
        def body(i, _):
            return i + 1, step(tf.nest.map_structure(lambda t: tf.gather(t, order[i]), data))

        empty = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), traced.structured_outputs)
        return tf.while_loop(lambda i, _: i < stop, body, (start, empty))[1]

    steps = tf.function(steps, jit_compile=jit or None, autograph=False)
    index = tf.TensorSpec([], tf.int32)
    steps.get_concrete_function(data, tf.TensorSpec([None, batch_size], order.dtype), index, index)
    return lambda data, order, start, stop: steps(data, order, tf.constant(start), tf.constant(stop))


def _one_step(model, training, augment, generator):
    def step(data):
        if augment is not None:
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            data = keras.utils.pack_x_y_sample_weight(augment(x, generator), y, sample_weight)
        if not training:
            return model.test_step(data)
        with fused_momentum(model):
            return model.train_step(data)

    return tf.autograph.experimental.do_not_convert(step)


def is_xla_faster(model, graph, few):
    """Return whether XLA, compiling included, is expected to run the traced steps faster than a plain graph."""
    if not all(layer.supports_jit for layer in (model, *layers_of(model))):
        return False
    operations = {operation.type for operation in graph.get_operations()}
    # `keras.ops.image.affine_transform`, for which XLA has no kernel.
    if "ImageProjectiveTransformV3" in operations:
        return False
    if has_accelerator():
        return True
    # On a CPU, oneDNN's convolutions in a plain graph are about twice as fast as XLA's.
    if any("Conv" in operation for operation in operations):
        return False
    # Random numbers depend on whether XLA compiles them: the number of steps must not decide over a dropout mask.
    return not few or any("Random" in operation for operation in operations)

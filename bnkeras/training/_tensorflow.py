"""Many training or test steps as one TensorFlow program."""

import keras
import tensorflow as tf

from bnkeras.devices import has_accelerator
from bnkeras.keras_internals import layers_of
from bnkeras.training._momentum import fused_momentum
from bnkeras.training.arguments import check_logs

# What TensorFlow raises before the first step of a program that XLA cannot compile.
_REFUSALS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError)


def compiled_steps(model, data, order, generator, *, training, augment, jit, few, any_size, refused):
    """Compile `model.train_step` or `model.test_step` over batches gathered on the device, for `program_for`.

    Args:
        generator: `keras.random.SeedGenerator` for `augment`.
        few: Boolean, whether to expect so few steps that compiling with XLA takes longer than it saves.
        any_size: Boolean, whether one trace serves batches of any size, as in `model.fit`.
        refused: Function of the error, called where `jit` is `"auto"`, XLA was chosen and cannot compile the steps.
    """
    step = tf.function(_one_step(model, training, augment, generator))
    batch_size = None if any_size else order.shape[1]
    traced = step.get_concrete_function(
        tf.nest.map_structure(lambda t: tf.TensorSpec([batch_size, *t.shape[1:]], t.dtype), data)
    )
    check_logs(model, traced.structured_outputs)
    xla = is_xla_faster(model, traced.graph, few) if jit == "auto" else jit

    def steps(data, order, start, stop):
        def body(i, _):
            return i + 1, step(tf.nest.map_structure(lambda t: tf.gather(t, order[i]), data))

        empty = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), traced.structured_outputs)
        return tf.while_loop(lambda i, _: i < stop, body, (start, empty))[1]

    def compiled(xla):
        program = tf.function(steps, jit_compile=xla or None, autograph=False)
        # XLA compiles for each size of batches anyway, and its loops over time have to know it.
        size = order.shape[1] if xla else batch_size
        index = tf.TensorSpec([], tf.int32)
        program.get_concrete_function(data, tf.TensorSpec([None, size], order.dtype), index, index)
        return lambda data, order, start, stop: program(data, order, tf.constant(start), tf.constant(stop))

    program = compiled(xla)
    return _or_graph(program, lambda: compiled(False), refused) if xla and jit == "auto" else program


def _or_graph(program, graph, refused):
    """The program, or what `graph` returns where XLA turns out not to compile it, at its first call."""
    proven = False

    def run(*args):
        nonlocal program, proven
        try:
            logs = program(*args)
        except _REFUSALS as error:
            if proven:
                raise
            refused(error)
            program = graph()
            logs = program(*args)
        proven = True
        return logs

    return run


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

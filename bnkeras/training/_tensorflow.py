"""Many training or test steps as one TensorFlow program."""

import keras
import tensorflow as tf


class Program:
    """Runs `model.train_step` or `model.test_step` over batches gathered on the device.

    Args:
        model: Compiled `keras.Model`.
        training: Whether to train or to test.
        augment: Function of `(x, generator)`, or `None`.
        generator: `keras.random.SeedGenerator` for `augment`.
        jit: `True` for XLA, `False` for a graph, or `"auto"`.
        few: Whether it is expected to run so few steps that compiling with XLA does not pay.
        batch_size: Examples in a batch, or `None` for one trace that serves batches of any size, as in `model.fit`.
    """

    def __init__(self, model, training, augment, generator, jit, few, batch_size):
        self._step = tf.function(_one_step(model, training, augment, generator))
        self._model = model
        self._jit = jit
        self._few = few
        self._batch_size = batch_size
        self._run = None

    def __call__(self, data, order, start, stop):
        """Runs the steps `start` to `stop - 1` of `order` and returns the logs of the last one."""
        if self._run is None:
            self._run = self._compiled(data)
        return self._run(data, tf.constant(order), tf.constant(start), tf.constant(stop))

    def _compiled(self, data):
        spec = tf.nest.map_structure(lambda t: tf.TensorSpec([self._batch_size, *t.shape[1:]], t.dtype), data)
        traced = self._step.get_concrete_function(spec)
        jit = is_xla_faster(self._model, traced.graph, self._few) if self._jit == "auto" else self._jit

        def run(data, order, start, stop):
            def body(i, _):
                return i + 1, self._step(tf.nest.map_structure(lambda t: tf.gather(t, order[i]), data))

            empty = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), traced.structured_outputs)
            return tf.while_loop(lambda i, _: i < stop, body, (start, empty))[1]

        run = tf.function(run, jit_compile=jit or None, autograph=False)
        step = tf.TensorSpec([], tf.int32)
        run.get_concrete_function(data, tf.TensorSpec([None, self._batch_size], tf.int32), step, step)
        return run


def _one_step(model, training, augment, generator):
    def step(data):
        if augment is not None:
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            data = keras.utils.pack_x_y_sample_weight(augment(x, generator), y, sample_weight)
        return model.train_step(data) if training else model.test_step(data)

    return tf.autograph.experimental.do_not_convert(step)


def is_xla_faster(model, graph, few=False):
    """Whether XLA, compiling included, is expected to be sooner done with the traced steps than a plain graph."""
    if not all(layer.supports_jit for layer in model._flatten_layers()):
        return False
    operations = {operation.type for operation in graph.get_operations()}
    # `keras.ops.image.affine_transform`, for which XLA has no kernel.
    if "ImageProjectiveTransformV3" in operations:
        return False
    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return True
    # On a CPU, oneDNN's convolutions in a plain graph are about twice as fast as XLA's.
    if any("Conv" in operation for operation in operations):
        return False
    # Random numbers depend on whether XLA compiles them: the number of steps must not decide over a dropout mask.
    return not few or any("Random" in operation for operation in operations)

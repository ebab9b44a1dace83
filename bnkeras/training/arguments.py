"""Arguments of `fit`: checked before any work is done, and the data as tensors on the device."""

import keras

from bnkeras.arguments import count_examples, to_tensor
from bnkeras.training.dtypes import warn_of_emulation


def check_model(model, augment, jit):
    """Check that `fit` can train the model, on this backend.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it is not compiled, or asks for what `fit` does not do.

    Warns:
        UserWarning: If it computes in bfloat16, and the device does not.
    """
    backend = keras.config.backend()
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: model={model!r} of type {type(model)}")
    if not model.compiled:
        raise ValueError(f"Call `model.compile()` before training. Received: model={model.name!r}, not compiled")
    if model.run_eagerly:
        raise ValueError("`fit` trains a model as one compiled program. Received: a model with run_eagerly=True")
    if backend not in ("tensorflow", "jax"):
        raise ValueError(f"`fit` needs the TensorFlow or JAX backend. Received: backend={backend!r}")
    if _is_distributed(model):
        raise ValueError(f"Train a model over several devices with `model.fit`. Received: model={model.name!r}")
    if jit not in ("auto", True, False) or (backend == "jax" and jit is False):
        raise ValueError(f"`jit` must be 'auto', True or (with TensorFlow) False. Received: jit={jit!r}")
    if augment is not None and (isinstance(augment, keras.Layer) or not callable(augment)):
        raise ValueError(
            "`augment` must be a function of (x, generator); a layer that draws random numbers belongs in the model. "
            f"Received: augment={augment!r}"
        )
    warn_of_emulation(model)


def _is_distributed(model):
    if keras.distribution.distribution() is not None:
        return True
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy() or model.distribute_strategy is not tf.distribute.get_strategy()


def validation_tensors(validation_data, batch_size):
    """Return the tensors of `(x, y)` or `(x, y, sample_weight)`, the number of examples and the batch size for them."""
    if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
        received = f"validation_data of type {type(validation_data).__name__}"
        raise ValueError(f"`validation_data` must be a tuple (x, y) or (x, y, sample_weight). Received: {received}")
    data, n = packed_tensors(*keras.utils.unpack_x_y_sample_weight(validation_data), "`validation_data`")
    return data, n, min(n, batch_size or _large_batch(n))


def packed_tensors(x, y, sample_weight, what="`x`, `y` and `sample_weight`"):
    """Return the tensors of `x`, `y` and `sample_weight`, packed for `train_step`, and the number of examples."""
    if sample_weight is not None and keras.tree.is_nested(y) and not keras.tree.is_nested(sample_weight):
        sample_weight = keras.tree.map_structure(lambda _: sample_weight, y)
    data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    data = keras.tree.map_structure(lambda array: to_tensor(array, what), data)
    return data, count_examples(data, what)


def _large_batch(n, largest=512):
    """The largest divisor of `n` up to `largest` where it is not small, as that spares compiling a remainder."""
    divisor = max(size for size in range(1, min(n, largest) + 1) if n % size == 0)
    return divisor if divisor >= largest // 4 else min(n, largest)

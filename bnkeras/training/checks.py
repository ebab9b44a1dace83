"""Bad arguments of `fit`, told before any work is done."""

import numbers

import keras

_LEAST = {
    "batch_size": 1,
    "validation_batch_size": 1,
    "steps_per_call": 1,
    "validation_freq": 1,
    "epochs": 0,
    "initial_epoch": 0,
    "seed": 0,
}


def check_integers(**arguments):
    """Checks that arguments are integers and not too small; a batch size or a stride may be `None`.

    Raises:
        ValueError: One of them is not.
    """
    for name, value in arguments.items():
        least = _LEAST[name]
        optional = name in ("batch_size", "validation_batch_size", "steps_per_call")
        if value is None and optional:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
            kind = f"an integer of at least {least}" + (" or None" if optional else "")
            raise ValueError(f"`{name}` must be {kind}. Received: {value!r}")


def check_model(model, augment, jit):
    """Checks that `fit` can train the model, on this backend.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: It is not compiled, or asks for what `fit` does not do.
    """
    backend = keras.config.backend()
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: {model!r} of type {type(model)}")
    if not model.compiled:
        raise ValueError(f"Call `model.compile()` before training. Received: model={model.name}, not compiled")
    if model.run_eagerly:
        raise ValueError("`model` was compiled with run_eagerly=True, and this trains it as one compiled program only.")
    if getattr(model, "_distribute_strategy", None) or keras.distribution.distribution():
        raise ValueError("`model` is distributed over devices: train it with `model.fit`.")
    if backend not in ("tensorflow", "jax"):
        raise ValueError(f"Training in one program needs the TensorFlow or JAX backend. Received: backend={backend}")
    if jit not in ("auto", True, False) or (backend == "jax" and jit is False):
        raise ValueError(f"`jit` must be 'auto', True or (with TensorFlow) False. Received: {jit!r}")
    if augment is not None and (isinstance(augment, keras.Layer) or not callable(augment)):
        raise ValueError(
            "`augment` must be a function of (x, generator). A layer with random numbers of its own belongs into the "
            f"model. Received: {augment!r}"
        )

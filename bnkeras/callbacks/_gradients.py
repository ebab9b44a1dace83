"""Gradients inside of a model: what differs between backends."""

import keras


def with_slope(f, z):
    """`f(z)` and its derivative, of a function that acts on each element by itself."""
    if keras.config.backend() == "jax":
        import jax

        a, pull_back = jax.vjp(f, z)
        return a, pull_back(jax.numpy.ones_like(a))[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(z)
        a = f(z)
    return a, tape.gradient(a, z, unconnected_gradients="zero")


def at_zeros(loss, zeros):
    """Gradients of a loss at zeros that are added inside of the model.

    Args:
        loss: function of `zeros` to `(loss, further results)`.
        zeros: list of tensors.

    Returns:
        `(gradients, further results)`, a gradient for each of `zeros`.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.grad(loss, has_aux=True)(zeros)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(zeros)
        value, results = loss(zeros)
    return tape.gradient(value, zeros, unconnected_gradients="zero"), results

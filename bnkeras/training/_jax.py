"""Many training or test steps as one JAX program."""

import jax
import keras

from bnkeras.training.arguments import check_logs


def compiled_steps(model, data, order, generator, *, training, augment, **options):
    """Compile `model.train_step` or `model.test_step` over batches gathered on the device, for `program_for`.

    Args:
        generator: `keras.random.SeedGenerator` for `augment`.
        **options: What makes no difference where XLA compiles all, for each size of batches.
    """
    _build(model, jax.tree.map(lambda t: t[: order.shape[1]], data), augment, generator)
    optimizer = [model.optimizer.variables] if training else []
    groups = model.trainable_variables, model.non_trainable_variables, *optimizer, model.metrics_variables
    variables = [*groups, [generator.state]]
    keras_step = _augmented(model.train_step if training else model.test_step, augment, generator)

    def step(state, data, order, i):
        return keras_step(state, jax.tree.map(lambda t: t[order[i]], data))

    jaxpr, (log_shapes, _) = jax.make_jaxpr(step, return_shape=True)(_values(variables), data, order, 0)
    check_logs(model, log_shapes)
    # XLA's convolutions on a CPU are an order of magnitude slower within a loop.
    one_by_one = jax.default_backend() == "cpu" and "conv_general_dilated" in str(jaxpr)
    steps = jax.jit(step) if one_by_one else _loop(step, log_shapes)

    def run(data, order, start, stop):
        state = _values(variables)
        try:
            for span in [(i,) for i in range(start, stop)] if one_by_one else [(start, stop)]:
                logs, state = steps(state, data, order, *span)
        finally:
            _write(variables, state)
        return logs

    return run


def _build(model, batch, augment, generator):
    """Create the variables that Keras creates on the first batch, without computing anything."""

    def scores(*data):
        return model.compute_loss(*data), model.compute_metrics(*data)

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    if augment is not None:  # crops change the shape
        with keras.StatelessScope():
            x = jax.eval_shape(lambda x: augment(x, generator), x)
    # What is created in a StatelessScope gets its value at the end of the scope, outside of JAX's tracing.
    with keras.StatelessScope():
        y_pred = jax.eval_shape(lambda x: model(x, training=False), x)
    with keras.StatelessScope([(variable, variable.value) for variable in model.variables]):
        jax.eval_shape(scores, x, y, y_pred, sample_weight)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _augmented(keras_step, augment, generator):
    """A step on augmented data; the last part of its state is that of the generator."""

    def step(state, data):
        *state, (seed,) = state
        if augment is not None:
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            with keras.StatelessScope([(generator.state, seed)]) as scope:
                x = augment(x, generator)
            seed = scope.get_current_value(generator.state)
            data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        logs, state = keras_step(tuple(state), data)
        return logs, (*state, [seed])

    return step


def _loop(step, log_shapes):
    """The steps `start` to `stop - 1` as one program, and the logs of the last one."""

    @jax.jit
    def steps(state, data, order, start, stop):
        def body(i, carry):
            logs, new = step(carry[1], data, order, i)
            # `fori_loop` requires the state to keep its types and its structure.
            old, structure = jax.tree.flatten(carry[1])
            leaves = [new.astype(old.dtype) for new, old in zip(jax.tree.leaves(new), old, strict=True)]
            return logs, jax.tree.unflatten(structure, leaves)

        logs = jax.tree.map(lambda log: jax.numpy.zeros(log.shape, log.dtype), log_shapes)
        return jax.lax.fori_loop(start, stop, body, (logs, state))

    return steps


def _values(variables):
    return tuple([variable.value for variable in group] for group in variables)


def _write(variables, state):
    pairs = [pair for group, values in zip(variables, state, strict=True) for pair in zip(group, values, strict=True)]
    try:
        for variable, value in pairs:
            variable.assign(value)
    except KeyboardInterrupt:
        # Half of a state is no state: finish, then stop.
        for variable, value in pairs:
            variable.assign(value)
        raise

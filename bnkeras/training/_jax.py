"""Many training or test steps as one JAX program."""

import jax
import keras


class Program:
    """Runs `model.train_step` or `model.test_step` over batches gathered on the device.

    The arguments are those of the TensorFlow program; `jit` is `True` or `"auto"`, which are the same here.
    """

    def __init__(self, model, training, augment, generator, jit):
        self._model = model
        self._training = training
        self._augment = augment
        self._generator = generator
        self._run = None

    def __call__(self, data, order, start, stop):
        """Runs the steps `start` to `stop - 1` of `order` and returns the logs of the last one."""
        if self._run is None:
            self._build(data, order)
            self._run = jax.jit(self._steps)
        groups = self._variables()
        state = tuple([variable.value for variable in group] for group in groups)
        logs, state = self._run(state, data, order, start, stop)
        _write(groups, state)
        return logs

    def _build(self, data, order):
        """Creates the variables that Keras creates on the first batch."""
        batch = keras.tree.map_structure(lambda t: t[: order.shape[1]], data)
        if hasattr(self._model, "_symbolic_build"):
            self._model._symbolic_build(data_batch=batch)
        else:
            self._model.test_on_batch(*keras.utils.unpack_x_y_sample_weight(batch))

    def _variables(self):
        model = self._model
        groups = [model.trainable_variables, model.non_trainable_variables]
        if self._training:
            groups.append(model.optimizer.variables)
        groups.append(model.metrics_variables)
        return [*groups, [] if self._generator is None else [self._generator.state]]

    def _steps(self, state, data, order, start, stop):
        def body(i, carry):
            batch = jax.tree.map(lambda t: t[order[i]], data)
            return _like(self._step(carry[1], batch), carry)

        logs = jax.eval_shape(lambda: body(0, (None, state))[0])
        logs = jax.tree.map(lambda t: jax.numpy.zeros(t.shape, t.dtype), logs)
        return jax.lax.fori_loop(start, stop, body, (logs, state))

    def _step(self, state, data):
        *state, seeds = state
        if self._augment is not None:
            data, seeds = self._augmented(data, seeds)
        step = self._model.train_step if self._training else self._model.test_step
        logs, state = step(tuple(state), data)
        return logs, (*state, seeds)

    def _augmented(self, data, seeds):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with keras.StatelessScope(state_mapping=[(self._generator.state, seeds[0])]) as scope:
            x = self._augment(x, self._generator)
        seeds = [scope.get_current_value(self._generator.state)]
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight), seeds


def _like(new, old):
    """The leaves of `new` in the types and the structure of `old`, which a loop asks for; new logs stay as they are."""
    (logs, state), (_, old_state) = new, old
    leaves, structure = jax.tree.flatten(old_state)
    leaves = [value.astype(leaf.dtype) for value, leaf in zip(jax.tree.leaves(state), leaves, strict=True)]
    return logs, jax.tree.unflatten(structure, leaves)


def _write(groups, state):
    pairs = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
    try:
        for variable, value in pairs:
            variable.assign(value)
    except KeyboardInterrupt:
        # Half of a state is no state: finish, then stop.
        for variable, value in pairs:
            variable.assign(value)
        raise

"""Many training or test steps as one JAX program."""

import jax
import keras


class Program:
    """Runs `model.train_step` or `model.test_step` over batches gathered on the device.

    The arguments are those of the TensorFlow program; `jit`, `few` and `batch_size` change nothing here, where XLA
    compiles all, for each size of batches.
    """

    def __init__(self, model, training, augment, generator, jit, few, batch_size):
        self._model = model
        self._training = training
        self._augment = augment
        self._generator = generator
        self._run = None

    def __call__(self, data, order, start, stop):
        """Runs the steps `start` to `stop - 1` of `order` and returns the logs of the last one."""
        if self._run is None:
            self._build(data, order)
            self._run = self._compiled(data, order)
        return self._run(data, order, start, stop)

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

    def _compiled(self, data, order):
        def step(state, data, order, i):
            return self._step(state, jax.tree.map(lambda t: t[order[i]], data))

        jaxpr, (logs, _) = jax.make_jaxpr(step, return_shape=True)(_values(self._variables()), data, order, 0)
        # XLA's convolutions on a CPU are an order of magnitude slower within a loop.
        one_by_one = jax.default_backend() == "cpu" and "conv_general_dilated" in str(jaxpr)
        return self._steps_by_call(step) if one_by_one else self._steps_in_loop(step, logs)

    def _steps_in_loop(self, step, log_shapes):
        @jax.jit
        def steps(state, data, order, start, stop):
            logs = jax.tree.map(lambda log: jax.numpy.zeros(log.shape, log.dtype), log_shapes)
            body = lambda i, carry: _like(step(carry[1], data, order, i), carry[1])  # noqa: E731
            return jax.lax.fori_loop(start, stop, body, (logs, state))

        def run(data, order, start, stop):
            variables = self._variables()
            logs, state = steps(_values(variables), data, order, start, stop)
            _write(variables, state)
            return logs

        return run

    def _steps_by_call(self, step):
        step = jax.jit(step)

        def run(data, order, start, stop):
            variables = self._variables()
            state = _values(variables)
            try:
                for i in range(start, stop):
                    logs, state = step(state, data, order, i)
            finally:
                _write(variables, state)
            return logs

        return run

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


def _like(result, old_state):
    """Logs and state of a step, with the state in the types and the structure that it had before, as a loop asks."""
    logs, state = result
    old_leaves, structure = jax.tree.flatten(old_state)
    leaves = [new.astype(old.dtype) for new, old in zip(jax.tree.leaves(state), old_leaves, strict=True)]
    return logs, jax.tree.unflatten(structure, leaves)


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

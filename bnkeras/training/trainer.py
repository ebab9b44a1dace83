"""What `fit` does in an epoch: chunks of steps by compiled programs, validation, and the calls to callbacks."""

import functools
import itertools

import numpy as np
from keras import ops

from bnkeras.compiled import programs_of
from bnkeras.training.orders import epoch_orders
from bnkeras.training.programs import program_for


class Trainer:
    """Runs chunks of steps by compiled programs, with the calls to callbacks that belong to them.

    Attributes:
        epochs: Integer, how many epochs the programs are expected to run in all, those of earlier calls included.
    """

    def __init__(self, model, data, augment, callbacks, **options):
        self.epochs = 0
        self._model = model
        self._data = data
        self._callbacks = callbacks
        programs = programs_of(model)
        self._generator = programs.generator
        self._training = functools.partial(program_for, programs, model, training=True, augment=augment, **options)
        self._testing = functools.partial(program_for, programs, model, training=False, augment=None, **options)

    def begin_epoch(self, seed, epoch):
        """Reset the metrics, and let the augmentation of an epoch depend on seed and epoch alone."""
        self._model.reset_metrics()
        state = np.random.SeedSequence([seed, epoch]).generate_state(1)
        self._generator.state.assign(np.array([state[0] >> 1, 0], "int32"))
        self._callbacks.on_epoch_begin(epoch)

    def train(self, order, ends):
        """Train one epoch, cut at `ends` and where its own batches end, and return its logs."""
        steps = sum(map(len, order))
        ends = sorted({min(end, steps) for end in ends})
        order = [ops.convert_to_tensor(part) for part in order]
        for begin, end in itertools.pairwise([0, *ends]):
            self._callbacks.on_train_batch_begin(begin)
            logs = self._run(self._training, self._data, order, begin, end)
            self._callbacks.on_train_batch_end(end - 1, logs)
            if self._model.stop_training:
                break
        return _flat(logs)

    def validate(self, data, n, batch_size):
        """Evaluate validation data and return its logs."""
        order = epoch_orders(n, batch_size=batch_size, shuffle=False, seed=0, order=None, drop_remainder=False)(0)
        steps = sum(map(len, order))
        self._callbacks.on_test_begin()
        self._model.reset_metrics()
        self._callbacks.on_test_batch_begin(0)
        logs = self._run(self._testing, data, map(ops.convert_to_tensor, order), 0, steps)
        self._callbacks.on_test_batch_end(steps - 1, logs)
        self._callbacks.on_test_end(logs)
        return _flat(logs)

    def _run(self, program_for, data, order, begin, end):
        """Run the steps `begin` to `end - 1` of an epoch; each part of `order` has batches of one size."""
        first = 0
        for part in order:
            steps = len(part)
            start, stop = max(begin - first, 0), min(end - first, steps)
            if start < stop:
                logs = program_for(data, part, steps * self.epochs)(data, part, start, stop)
            first += steps
        return logs


def _flat(logs):
    """Logs with the results of a metric that has several in place of the metric."""
    flat = {}
    for name, value in logs.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat

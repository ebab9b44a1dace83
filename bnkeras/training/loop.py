"""The epoch loop: what `model.fit` does, with many steps to a call."""

import keras
import numpy as np

from .arrays import training_data, validation_tensors
from .checks import check_integers, check_model
from .orders import checked_order, split_order
from .programs import programs_of
from .strides import chunk_ends


def fit(
    model,
    x,
    y=None,
    *,
    batch_size=None,
    epochs=1,
    shuffle=True,
    seed=0,
    order=None,
    drop_remainder=False,
    augment=None,
    validation_data=None,
    validation_batch_size=None,
    validation_freq=1,
    sample_weight=None,
    callbacks=None,
    steps_per_call=None,
    jit="auto",
    initial_epoch=0,
    verbose=0,
):
    """Trains a compiled Keras model as `model.fit` does, with a whole epoch as one compiled program.

    Work in progress on this text: see the arguments of `keras.Model.fit`.
    """
    check_model(model, augment, jit)
    check_integers(
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
        validation_batch_size=validation_batch_size,
        validation_freq=validation_freq,
        steps_per_call=steps_per_call,
        initial_epoch=initial_epoch,
    )
    data, n = training_data(x, y, sample_weight)
    epoch_order = _epoch_orders(n, batch_size, shuffle, seed, order, drop_remainder)
    steps = sum(map(len, epoch_order(initial_epoch)))
    trainer = _Trainer(model, data, validation_tensors(validation_data, validation_batch_size), augment, jit)
    callbacks = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
        model=model,
    )
    model.stop_training = False
    callbacks.on_train_begin()
    first_epoch = getattr(model, "_initial_epoch", None) or initial_epoch
    logs = None
    for epoch in range(first_epoch, epochs):
        ends = chunk_ends(callbacks.callbacks, steps, epoch, first_epoch, steps_per_call)
        trainer.begin_epoch(seed, epoch)
        callbacks.on_epoch_begin(epoch)
        logs = trainer.train(callbacks, epoch_order(epoch), ends)
        if validation_data is not None and (epoch + 1) % validation_freq == 0:
            logs.update({f"val_{name}": value for name, value in trainer.validate(callbacks).items()})
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end(logs)
    return model.history


def _epoch_orders(n, batch_size, shuffle, seed, order, drop_remainder):
    """A function of the epoch that returns its order: the full batches and, as one more row or none, the smaller."""
    if order is None:
        size = 32 if batch_size is None else batch_size
        if size > n:
            raise ValueError(f"`batch_size` must not exceed the number of examples, {n}. Received: {size}")

        def by_seed(epoch):
            full, rest = split_order(n, size, seed, epoch, shuffle, drop_remainder)
            return full, rest.reshape(-1, rest.size) if rest.size else rest.reshape(0, 1)

        return by_seed

    def given(epoch):
        indices = checked_order(order(epoch) if callable(order) else order, n)
        if batch_size not in (None, indices.shape[1]):
            raise ValueError(
                f"`batch_size` must be the second axis of `order`, or None. Received: batch_size={batch_size} and an "
                f"order of shape {indices.shape}"
            )
        return indices, indices[:0]

    return given


class _Trainer:
    """Runs chunks of training steps, and the validation data, by compiled programs."""

    def __init__(self, model, data, validation, augment, jit):
        self._model = model
        self._data = data
        self._validation = validation
        self._augment = augment
        self._jit = jit
        self._programs = programs_of(model)
        self._programs.update(model)

    def begin_epoch(self, seed, epoch):
        """Resets the metrics, and lets the augmentation of an epoch depend on the seed and the epoch alone."""
        self._model.reset_metrics()
        state = np.random.SeedSequence([seed, epoch]).generate_state(1)
        self._programs.generator.state.assign(np.array([state[0] >> 1, 0], "int64"))

    def train(self, callbacks, order, ends):
        """Trains one epoch and returns its logs."""
        order = [keras.ops.convert_to_tensor(part) for part in order]
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            callbacks.on_train_batch_begin(begin)
            logs = self._run(order, begin, end)
            callbacks.on_train_batch_end(end - 1, logs)
            if self._model.stop_training:
                break
        return dict(logs)

    def _run(self, order, begin, end):
        for part in order:
            steps = part.shape[0]
            if max(begin, 0) < min(end, steps):
                program = self._programs.train(self._model, self._data, part.shape[1], self._augment, self._jit)
                logs = program(self._data, part, max(begin, 0), min(end, steps))
            begin, end = begin - steps, end - steps
        return logs

    def validate(self, callbacks):
        """Evaluates the validation data and returns its logs."""
        data, n, batch_size = self._validation
        callbacks.on_test_begin()
        self._model.reset_metrics()
        callbacks.on_test_batch_begin(0)
        for part in split_order(n, batch_size, 0, 0, shuffle=False, drop_remainder=False):
            if part.size:
                order = keras.ops.convert_to_tensor(part.reshape(-1, min(batch_size, part.size)))
                program = self._programs.test(self._model, data, order.shape[1], self._jit)
                logs = program(data, order, 0, order.shape[0])
        callbacks.on_test_batch_end(-(-n // batch_size) - 1, logs)
        callbacks.on_test_end(logs)
        return dict(logs)

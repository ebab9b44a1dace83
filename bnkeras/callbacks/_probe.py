"""What the loggers share: a fixed probe batch, looked at every so many steps."""

import numbers

import keras
import numpy as np

from bnkeras.statistics._calls import stateless, training_batch_norm

MODES = ("training", "inference")


class ProbeCallback(keras.callbacks.Callback):
    """Look at a model every `every` training steps; subclasses give `_open` and `_look`."""

    def __init__(self, every, mode):
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, numbers.Integral) or every < 1:
            raise ValueError(f"`every` must be an integer of at least 1. Received: every={every!r}")
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}")
        self.every = int(every)
        self.mode = mode
        self._looks = []

    def on_train_begin(self, logs=None):
        self._looks = []
        self._done = 0
        self._due = None
        self._open(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        steps = (self.params or {}).get("steps")
        self._start = self._done if steps is None else epoch * steps
        self._end = self._start + (steps or np.inf)
        if self._due is None:
            self._due = -(-self._start // self.every) * self.every
            self._look_if_due(self._start)

    def on_train_batch_end(self, batch, logs=None):
        # The last call of an epoch with steps_per_execution may name a step beyond its end.
        self._done = int(min(self._start + batch + 1, self._end))
        self._look_if_due(self._done)

    def _look_if_due(self, step):
        if step >= self._due:
            self._looks.append((step, self._look(self.model)))
            self._due = (step // self.every + 1) * self.every

    def _compiled(self, model, function):
        """`function` of the probe, compiled, with batch normalization in the logger's mode."""

        def run(*args):
            if self.mode == "inference":
                return function(*args)
            with training_batch_norm(model):
                return function(*args)

        return stateless(model, run)


def checked_probe(probe, name="probe"):
    """A batch of arrays without NaN, floats in Keras's own width.

    Raises:
        ValueError: it has no examples, a NaN or infinity, or arrays of different length.
    """
    arrays = keras.tree.map_structure(np.asarray, probe)
    lengths = {array.shape[0] if array.ndim else 0 for array in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths == {0}:
        shapes = [array.shape for array in keras.tree.flatten(arrays)]
        raise ValueError(f"`{name}` must hold at least one example, as many in each array. Received shapes: {shapes}")
    return keras.tree.map_structure(lambda array: _finite(array, name), arrays)


def _finite(array, name):
    if array.dtype.kind != "f":
        return array
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise ValueError(f"`{name}` must be finite. Received: {wrong} NaN or infinite values of {array.size}")
    return array.astype(keras.config.floatx())

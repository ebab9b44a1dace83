"""What the loggers share: a fixed probe batch, looked at every so many steps."""

import keras
import numpy as np

from bnkeras.arguments import check_choice, check_integers, count_examples
from bnkeras.forward import batch_norms, overridden, stateless


class ProbeCallback(keras.callbacks.Callback):
    """Look at a model every `every` training steps; subclasses give `_open` and `_look`."""

    def __init__(self, every, mode):
        super().__init__()
        check_integers(1, every=every)
        check_choice(("training", "inference"), mode=mode)
        self.every = every
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
            # With JAX, reading `self.model` brings the variables up to date.
            self._looks.append((step, self._look(self.model)))
            self._due = (step // self.every + 1) * self.every

    def _compiled(self, model, function):
        """`function` of the probe, compiled, with batch normalization in the logger's mode."""
        layers = batch_norms(model) if self.mode == "training" else []

        def run(*args):
            with overridden(layers, call=_in_training):
                return function(*args)

        return stateless(model, run)


def _in_training(layer, call):
    """The call of a batch normalization layer in training, where every other layer is in inference.

    It would update the moving statistics: for use in a `keras.StatelessScope`, which drops the updates.
    """
    return lambda inputs, training=None, mask=None: call(inputs, training=True, mask=mask)


def checked_probe(probe):
    """Return a batch of finite arrays of one length, floats as `keras.config.floatx()`, else raise `ValueError`."""
    arrays = keras.tree.map_structure(np.asarray, probe)
    count_examples(arrays, "`probe`")
    return keras.tree.map_structure(_finite, arrays)


def _finite(array):
    if array.dtype.kind != "f":
        return array
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise ValueError(f"`probe` must be finite. Received: {wrong} NaN or infinite values of {array.size}")
    return array.astype(keras.config.floatx())

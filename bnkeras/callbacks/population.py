"""Statistics of the population in place of moving averages, during training."""

from collections.abc import Iterator

import keras
from keras import ops

from bnkeras.arguments import check_choice
from bnkeras.forward import batch_norms, build
from bnkeras.inputs import Batches
from bnkeras.statistics import estimate_population_statistics


class PopulationStatistics(keras.callbacks.Callback):
    """Set the moving statistics to those of the data during training, by `estimate_population_statistics`.

    With `every="epoch"`, before the validation of each epoch, or at its end without one, and again wherever the
    weights are others than at the last estimate; with `every="end"`, once, when the training ends. In training, batch
    normalization does not use these statistics, so the weights go the same way with or without the callback.

    **Averaged weights** have statistics of their own. With `use_ema=True`, Keras puts the averages in place of the
    weights when the training ends, and this callback estimates for them. With `keras.callbacks.SwapEMAWeights`, each
    validation is of the averages, with statistics estimated for them, wherever this callback stands in the list.
    Elsewhere the order counts: put it before a `ModelCheckpoint` without validation, after an `EarlyStopping` that
    restores the best weights.

    Args:
        x: The training data, or enough of them: arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, or, with
            `every="end"`, a generator.
        every: `"epoch"` or `"end"`. Defaults to `"epoch"`.
        batch_size: Integer, that of the training, for arrays only. Defaults to `None`: 32.
        steps: Integer, number of batches; required for a generator and for endless data. Defaults to `None`: all.
        sequential: Boolean, whether to estimate layer by layer. Defaults to `False`.

    Raises:
        TypeError, ValueError: In the constructor for a bad argument; at the start of the training for a model without
            batch normalization, or whose input the data do not fit.

    Example:

    ```python
    model.compile(keras.optimizers.Adam(use_ema=True), "sparse_categorical_crossentropy")
    statistics = PopulationStatistics(x_train, every="epoch", batch_size=32)
    callbacks = [keras.callbacks.SwapEMAWeights(), statistics]
    model.fit(x_train, y_train, validation_data=(x_val, y_val), callbacks=callbacks)
    ```
    """

    def __init__(self, x, every="epoch", batch_size=None, steps=None, sequential=False):
        super().__init__()
        check_choice(("epoch", "end"), every=every)
        if isinstance(x, Iterator) and every == "epoch":
            raise ValueError("every='epoch' reads the data again and again. Received: x, a generator, gives it once")
        self._x, self._each_epoch = x, every == "epoch"
        self._batches = Batches(x, batch_size, steps)
        self._options = {"batch_size": batch_size, "steps": steps, "sequential": sequential, "progress": False}

    def on_train_begin(self, logs=None):
        """Check that the model has batch normalization, and that the data fit it."""
        batch_norms(self.model, required=True)
        if not self._batches.once:
            build(self.model, self._batches.first(), "x")
        self._weights, self._in_epoch = None, False

    def on_epoch_begin(self, epoch, logs=None):
        """Note that a test from now on is the validation of this epoch."""
        self._in_epoch = True

    def on_test_batch_begin(self, batch, logs=None):
        """Estimate before validation; in `on_test_begin` other callbacks may still exchange the weights."""
        if self._each_epoch and self._in_epoch and batch == 0:
            self._estimate()

    def on_epoch_end(self, epoch, logs=None):
        """Estimate where there was no validation, or the weights have been exchanged since."""
        self._in_epoch = False
        if self._each_epoch:
            self._estimate()

    def on_train_end(self, logs=None):
        """Estimate for the weights that remain."""
        self._estimate()

    def _estimate(self):
        # With JAX, reading `self.model` brings the variables up to date.
        model = self.model
        weights = [float(ops.sum(ops.cast(weight, "float32"))) for weight in model.trainable_weights]
        if weights != self._weights:
            estimate_population_statistics(model, self._x, **self._options)
            self._weights = weights

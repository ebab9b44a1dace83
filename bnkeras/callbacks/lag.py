"""A warning, during training, where moving averages cost accuracy."""

import warnings
from collections.abc import Iterator

import keras

from bnkeras.arguments import check_integers
from bnkeras.diagnosis.examination import check, examined, prepared
from bnkeras.forward import batch_norms
from bnkeras.keras_internals import layers_of


class WarnOfLag(keras.callbacks.Callback):
    """Warn once where inference loses to moving averages that lag, with the cure.

    At the end of an epoch it compares, on data given here, the loss in inference with that by the data's own
    statistics, as `diagnose` does. After the first warning it does no more.

    Args:
        x: Some of the training data, as `diagnose` takes them: a few batches will do.
        y: Targets. Defaults to `None`: it warns of the gap between the statistics alone.
        batch_size: Integer, that of the training, for arrays only. Defaults to `None`: 32.
        steps: Integer, the most batches to look at. Defaults to `None`: all.
        every: Integer, epochs from one look to the next; the first is after as many. Defaults to `1`.

    Raises:
        TypeError, ValueError: In the constructor for a bad argument; at the start of the training for a model without
            batch normalization, and for data that do not fit it or are too few for a statistic.

    Warns:
        UserWarning: Once, see above.

    Example:

    ```python
    model.fit(x_train, y_train, callbacks=[WarnOfLag(x_train[:320], y_train[:320])])
    ```
    """

    def __init__(self, x, y=None, batch_size=None, steps=None, every=1):
        super().__init__()
        check_integers(1, optional=True, batch_size=batch_size, steps=steps)
        check_integers(1, every=every)
        if isinstance(x, Iterator):
            raise ValueError("The data are read again and again. Received: x, a generator, gives them once")
        # The name `every` would stand for training steps in `bnkeras.training.fit`.
        self._data, self._epochs = {"x": x, "y": y, "batch_size": batch_size, "steps": steps}, every
        self.warned = False

    def on_train_begin(self, logs=None):
        """Check the model and the data."""
        batch_norms(self.model, required=True)
        self._prepare()

    def on_epoch_end(self, epoch, logs=None):
        """Look, and warn."""
        if self.warned or (epoch + 1) % self._epochs:
            return
        if self._flags != _flags(self.model):
            self._prepare()
        for finding in examined(*self._prepared).findings:
            if finding.cause == "lagging averages":
                self.warned = True
                call = f": `{finding.call}`" if finding.call else ""
                warnings.warn(f"After epoch {epoch + 1}: {finding.sentence} Cure: {finding.cure}{call}", stacklevel=2)

    def _prepare(self):
        self._prepared, self._flags = prepared(self.model, **self._data), _flags(self.model)
        check(*self._prepared)


def _flags(model):
    return [layer.trainable for layer in layers_of(model)]

"""A training that goes on where it was stopped: model, optimizer and rows of results in one file."""

import hashlib
import json
import os
from pathlib import Path

import keras
import numpy as np

_FOLDER = "BNKERAS_CHECKPOINTS"


def file_of(run):
    """Path of the file for a run, by its settings, in the folder `$BNKERAS_CHECKPOINTS`; `None` where that is not set.

    Args:
        run: Frozen dataclass of settings with a class attribute `study`.
    """
    folder = os.environ.get(_FOLDER)
    name = f"{run.study}-{hashlib.sha256(repr(run).encode()).hexdigest()[:16]}.npz"
    return Path(folder).expanduser() / name if folder else None


class Progress(keras.callbacks.Callback):
    """Keeps all variables of a model and its optimizer, and rows of results, after each epoch; takes them up at first.

    Args:
        path: File of arrays; its folder is made where it is missing.
        model: Compiled `keras.Model`, built.
        rows: List of dicts of what JSON holds; those of the file are put in it.

    Attributes:
        epoch: Integer, epochs that are done.

    Raises:
        ValueError: If the file is not of such a model.
    """

    def __init__(self, path, model, rows):
        super().__init__()
        self.epoch = 0
        self._path, self._rows = Path(path), rows
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        if self._path.exists():
            self._take_up(model)

    def on_epoch_end(self, epoch, logs=None):
        """Write the file anew; a kill leaves the old one or the new one."""
        state = {str(i): keras.ops.convert_to_numpy(variable) for i, variable in enumerate(_variables(self.model))}
        scratch = self._path.with_suffix(".part.npz")
        np.savez(scratch, epoch=epoch + 1, rows=json.dumps(self._rows), **state)
        scratch.replace(self._path)

    def _take_up(self, model):
        variables = _variables(model)
        with np.load(self._path) as kept:
            values = [kept[name] for name in kept.files if name.isdigit()]
            shapes = [value.shape for value in values], [tuple(variable.shape) for variable in variables]
            if shapes[0] != shapes[1]:
                raise ValueError(f"{self._path} must be of this model. Received: variables of other shapes")
            self.epoch = int(kept["epoch"])
            self._rows[:] = json.loads(str(kept["rows"]))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]

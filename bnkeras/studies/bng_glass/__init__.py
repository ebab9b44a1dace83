"""BNG(glass) with and without batch normalization: claims G1 to G3.

The network of `mnist_sigmoid` on a table, as a course report had it: 9-100-100-100-7, sigmoid, mini-batches of 60,
plain SGD on the cross-entropy; features of mean 0 and variance 1, a stratified fifth of the rows for the test. The
learning rate is not in the text, so the study takes three.

    python -m bnkeras run bng_glass --scale paper --publish

Reported, in figures: batch normalization is ahead from the start and the base model slowly reaches it; it has the
better ROC curves; one rare type, "type 5", is hard for both. The text does not say how it counts the types, so G3 is
also explored for other ways, and for the rarest type. To tell hard from rare, a second set of runs trains on as many
rows of every class as the rarest has. Scales: `quick` the headlines on a sample; `laptop` 20 epochs and `paper` 100
epochs on all 137,781 rows; an epoch takes about 0.4 s of a core.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from bnkeras import sweep
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.bng_glass.claims import CLAIMS, RATE
from bnkeras.studies.bng_glass.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {"data": "bng_glass_sample", "epochs": 100, "explored_seeds": 0},
    "laptop": {"data": "bng_glass", "epochs": 20, "explored_seeds": 10},
    "paper": {"data": "bng_glass", "epochs": 100, "explored_seeds": 10},
}
NORMALIZATIONS = ("none", "bn")
OTHER_RATES = (0.01, 0.1)
EPOCHS = (*range(1, 11), *range(20, 101, 10))
EQUAL_PASSES = 20
BINS = 10


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        normalization: `"none"` or `"bn"`.
        learning_rate: Of plain SGD.
        classes: `"as drawn"`, all training rows, or `"equal"`, of every class as many as the rarest has.
        epochs: Passes over the training rows; with equal classes, each is twenty passes.
        seed: Of the split, the weights and the batch order; runs with and without normalization share all three.
        detail: Whether to keep ROC curves, confusion and calibration.
        batch_size: Examples in a step; a smaller last batch is left out.
        stddev: Standard deviation of the initial weights.
    """

    study: ClassVar[str] = "bng_glass"

    data: str
    normalization: str
    learning_rate: float
    classes: str
    epochs: int
    seed: int
    detail: bool
    batch_size: int = 60
    stddev: float = 0.05

    def train(self):
        """Train and return the tables `epochs` and `auc`, and with `detail` `roc`, `confusion` and `calibration`."""
        sweep.start_keras()
        from bnkeras import models, training

        table, data, rows = self._data()
        form = (self.normalization, data[0].shape[1], len(table.class_names), self.stddev)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate)
        per_epoch = len(data[0]) // self.batch_size
        epochs = training.train_and_test(
            model,
            data,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            at={epoch * per_epoch for epoch in (*EPOCHS, self.epochs) if epoch <= self.epochs},
        )
        outputs = training.population_logits(model, data[0], data[2])
        auc, roc = training.roc_tables(outputs, data[3], table.class_names)
        auc = [{**row, "train_rows": int(count)} for row, count in zip(auc, rows, strict=True)]
        details = {"roc": roc, **evaluation_tables(outputs, data[3], table.class_names)} if self.detail else {}
        return {"source": table.source, "epochs": epochs, "auc": auc, **details}

    def _data(self):
        """The table, its arrays for training and test, and the number of different training rows of each class."""
        from bnkeras import datasets

        table = datasets.load(self.data)
        x_train, y_train, x_test, y_test = datasets.stratified_split(table, seed=self.seed)
        if self.classes == "equal":
            x_train, y_train = equal_classes(x_train, y_train, self.seed)
        rows = np.bincount(y_train, minlength=len(table.class_names))
        x_train, x_test = datasets.standardize(x_train, x_test, feature_names=table.feature_names)
        if self.classes == "equal":
            x_train, y_train = np.tile(x_train, (EQUAL_PASSES, 1)), np.tile(y_train, EQUAL_PASSES)
        return table, (x_train, y_train, x_test, y_test), rows


def build(normalization, features, classes, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.mlp((features,), classes, normalization, stddev=stddev, seed=seed)


def runs(scale, seeds=None):
    """The runs of a scale: the headlines', the same seeds on equal classes, and other learning rates.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    headline, explored = headline_seeds(CLAIMS, seeds), settings["explored_seeds"]
    designs = [(RATE, "as drawn", headline, True), (RATE, "equal", headline[:explored], False)]
    designs += [(rate, "as drawn", range(explored), False) for rate in OTHER_RATES]
    return [
        Run(settings["data"], normalization, rate, classes, settings["epochs"], seed, detail)
        for normalization in NORMALIZATIONS
        for rate, classes, chosen, detail in designs
        for seed in chosen
    ]


def equal_classes(x, y, seed):
    """As many rows of every class as the rarest has, drawn without replacement."""
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(y, return_counts=True)
    chosen = [generator.choice(np.flatnonzero(y == c), counts.min(), replace=False) for c in classes]
    chosen = generator.permutation(np.concatenate(chosen))
    return x[chosen], y[chosen]


def evaluation_tables(logits, labels, class_names):
    """What is looked at after training beside the AUC: tables `confusion` and `calibration`.

    Args:
        logits: Outputs of shape `(examples, classes)` for the test rows.
        labels: Their classes, integers of shape `(examples,)`.
        class_names: One name a class.

    Returns:
        A dictionary: `confusion` has the number of test rows per true and predicted class; `calibration`, per tenth of
        confidence, the number of rows, their mean confidence and their accuracy.
    """
    from scipy.special import softmax
    from sklearn.metrics import confusion_matrix

    probabilities = softmax(logits, axis=1)
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    counts = confusion_matrix(labels, predicted, labels=range(len(class_names)))
    wide = pd.DataFrame(counts, pd.Index(class_names, name="true"), pd.Index(class_names, name="predicted"))
    tenth = pd.Series(np.minimum((confidence * BINS).astype(int), BINS - 1), name="tenth")
    right = pd.DataFrame({"confidence": confidence, "accuracy": predicted == labels}).groupby(tenth)
    return {
        "confusion": wide.stack().rename("rows").reset_index().to_dict("records"),
        "calibration": right.mean().assign(rows=right.size()).reset_index().to_dict("records"),
    }

"""BNG(glass) with and without batch normalization: claims G1 to G3.

The network of `mnist_sigmoid` on a table, as a course report had it: 9-100-100-100-7, sigmoid, mini-batches of 60,
plain SGD on the cross-entropy; features of mean 0 and variance 1, a stratified fifth of the rows for the test. The
learning rate is not in the text, so the study takes three.

    python -m bnkeras run bng_glass --scale laptop --publish

Reported, in figures: batch normalization is ahead from the start and the base model slowly reaches it; it has the
better ROC curves; one rare type, "type 5", is hard for both. The text does not say how it counts the types, so G3 is
judged for each of three ways, and for the rarest type. To tell hard from rare, a second set of runs trains on as many
rows of every class as the rarest has. Scales: `quick` on a sample, `laptop` and `paper` on all 137,781 rows, 5 seeds.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from bnkeras import sweep
from bnkeras.studies.bng_glass.claims import CLAIMS, RATE
from bnkeras.studies.bng_glass.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {"data": "bng_glass_sample", "epochs": 20, "seeds": 3},
    "laptop": {"data": "bng_glass", "epochs": 20, "seeds": 5},
    "paper": {"data": "bng_glass", "epochs": 100, "seeds": 5},
}
NORMALIZATIONS = ("none", "bn")
LEARNING_RATES = (0.01, 0.1, RATE)
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
    batch_size: int = 60
    stddev: float = 0.05

    def train(self):
        """Train and return the tables `epochs`, `auc`, `roc`, `confusion`, `calibration` as lists of rows."""
        sweep.start_keras()
        from bnkeras import datasets, models, training
        from bnkeras.training import evaluation

        table = datasets.load(self.data)
        x_train, y_train, x_test, y_test = datasets.stratified_split(table, seed=self.seed)
        if self.classes == "equal":
            x_train, y_train = equal_classes(x_train, y_train, self.seed)
        rows = np.bincount(y_train, minlength=len(table.class_names))
        x_train, x_test = datasets.standardize(x_train, x_test, feature_names=table.feature_names)
        if self.classes == "equal":
            x_train, y_train = np.tile(x_train, (EQUAL_PASSES, 1)), np.tile(y_train, EQUAL_PASSES)
        form = (self.normalization, x_train.shape[1], len(table.class_names), self.stddev)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate)
        epochs = training.train_and_test(
            model,
            (x_train, y_train, x_test, y_test),
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            outputs=training.outputs_by_inference(x_train, x_test),
        )
        tables = evaluation_tables(evaluation.logits(model, x_test), y_test, table.class_names, rows)
        return {"source": table.source, "epochs": epochs, **tables}


def build(normalization, features, classes, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.mlp((features,), classes, normalization, stddev=stddev, seed=seed)


def runs(scale):
    """The runs of a scale: all learning rates on the classes as drawn, the largest on equal classes too."""
    settings = SCALES[scale]
    conditions = [(rate, "as drawn") for rate in LEARNING_RATES] + [(LEARNING_RATES[-1], "equal")]
    return [
        Run(settings["data"], normalization, rate, classes, settings["epochs"], seed)
        for normalization in NORMALIZATIONS
        for rate, classes in conditions
        for seed in range(settings["seeds"])
    ]


def equal_classes(x, y, seed):
    """As many rows of every class as the rarest has, drawn without replacement."""
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(y, return_counts=True)
    chosen = [generator.choice(np.flatnonzero(y == c), counts.min(), replace=False) for c in classes]
    chosen = generator.permutation(np.concatenate(chosen))
    return x[chosen], y[chosen]


def evaluation_tables(logits, labels, class_names, train_rows):
    """What is looked at after training: tables `auc`, `roc`, `confusion`, `calibration`.

    Args:
        logits: Outputs of shape `(examples, classes)` for the test rows.
        labels: Their classes, integers of shape `(examples,)`.
        class_names: One name a class.
        train_rows: Number of training rows of each class.

    Returns:
        A dictionary: `auc` has a row per class with its AUC against the rest, its recall and its numbers of rows; `roc`
        its curve; `confusion` the number of test rows per true and predicted class; `calibration`, per tenth of
        confidence, the number of rows, their mean confidence and their accuracy.
    """
    from scipy.special import softmax
    from sklearn.metrics import confusion_matrix

    from bnkeras.training import evaluation

    probabilities = softmax(logits, axis=1)
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    auc, roc = evaluation.roc_tables(logits, labels, class_names)
    counts = confusion_matrix(labels, predicted, labels=range(len(class_names)))
    for index, row in enumerate(auc):
        of_class = counts[index].sum()
        row.update(recall=counts[index, index] / of_class, train_rows=int(train_rows[index]), test_rows=int(of_class))
    wide = pd.DataFrame(counts, pd.Index(class_names, name="true"), pd.Index(class_names, name="predicted"))
    tenth = pd.Series(np.minimum((confidence * BINS).astype(int), BINS - 1), name="tenth")
    right = pd.DataFrame({"confidence": confidence, "accuracy": predicted == labels}).groupby(tenth)
    return {
        "auc": auc,
        "roc": roc,
        "confusion": wide.stack().rename("rows").reset_index().to_dict("records"),
        "calibration": right.mean().assign(rows=right.size()).reset_index().to_dict("records"),
    }

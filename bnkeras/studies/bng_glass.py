"""BNG(glass) with and without batch normalization: claims G1 to G3.

The network of `mnist_sigmoid` on a table, as a course report had it: 9-100-100-100-7, sigmoid, mini-batches of 60,
plain SGD on the cross-entropy; features of mean 0 and variance 1, a stratified fifth of the rows for the test. The
learning rate is not in the text, so the study takes three.

    python -m bnkeras run bng_glass --scale laptop --publish

Reported, in figures: batch normalization is ahead from the start and the base model slowly reaches it; it has the
better ROC curves; one rare type, "type 5", is hard for both. The text does not say how it counts the types, so G3 is
judged for each of three ways, and for the rarest type. To tell hard from rare, a second set of runs trains on as many
rows of every class as the rarest has. Scales: `quick` on the stand-in, `laptop` and `paper` on all 137,781 rows, 5
seeds.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy.special import softmax

from bnkeras.claims import Claim
from bnkeras.studies import _common, _reuse

SCALES = {
    "quick": {"data": "bng_glass_sample", "epochs": 20, "seeds": 3, "jit": False},
    "laptop": {"data": "bng_glass", "epochs": 20, "seeds": 5, "jit": True},
    "paper": {"data": "bng_glass", "epochs": 100, "seeds": 5, "jit": True},
}
NORMALIZATIONS = ("none", "bn")
LEARNING_RATES = (0.01, 0.1, 1.0)
EQUAL_PASSES = 20
TYPES = {
    "containers": "type 5 of UCI",
    "tableware": "label 5, counted from 0",
    "vehic wind float": "label 5, sorted by name",
    "vehic wind non-float": "the rarest",
}
BINS = 10


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: name of the data set.
        normalization: `"none"` or `"bn"`.
        learning_rate: of plain SGD.
        classes: `"as drawn"`, all training rows, or `"equal"`, of every class as many as the rarest has.
        epochs: passes over the training rows; with equal classes, each is twenty passes.
        seed: of the split, the weights and the batch order; runs with and without normalization share all three.
        jit: whether XLA compiles the training, which is sooner where an epoch has many steps.
        batch_size: examples a step; a smaller last batch is left out.
        stddev: standard deviation of the initial weights.
    """

    study: ClassVar[str] = "bng_glass"

    data: str
    normalization: str
    learning_rate: float
    classes: str
    epochs: int
    seed: int
    jit: bool
    batch_size: int = 60
    stddev: float = 0.05

    def train(self):
        """Train and return the tables `epochs`, `auc`, `roc`, `confusion`, `calibration` as lists of rows."""
        _common.start_keras()
        from bnkeras import datasets

        table = datasets.load(self.data)
        x_train, y_train, x_test, y_test = datasets.stratified_split(table, seed=self.seed)
        if self.classes == "equal":
            x_train, y_train = equal_classes(x_train, y_train, self.seed)
        rows = np.bincount(y_train, minlength=len(table.class_names))
        x_train, x_test = datasets.standardize(x_train, x_test, feature_names=table.feature_names)
        if self.classes == "equal":
            x_train, y_train = np.tile(x_train, (EQUAL_PASSES, 1)), np.tile(y_train, EQUAL_PASSES)
        model = _reuse.network(self, x_train.shape[1:], len(table.class_names))
        options = {"jit": _reuse.jit(self), "drop_remainder": True}
        epochs = _common.train(model, (x_train, y_train, x_test, y_test), self, **options)
        steps = len(x_train) // self.batch_size
        epochs = [{**row, "step": row["epoch"] * steps, "source": table.source} for row in epochs]
        probabilities = softmax(_reuse.logits(model, x_test), axis=1)
        return {"epochs": epochs, **evaluation_tables(probabilities, y_test, table.class_names, rows)}


def equal_classes(x, y, seed):
    """As many rows of every class as the rarest has, drawn without replacement."""
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(y, return_counts=True)
    chosen = [generator.choice(np.flatnonzero(y == c), counts.min(), replace=False) for c in classes]
    chosen = generator.permutation(np.concatenate(chosen))
    return x[chosen], y[chosen]


def evaluation_tables(probabilities, labels, class_names, train_rows):
    """What is looked at after training: tables `auc`, `roc`, `confusion`, `calibration`.

    Args:
        probabilities: predicted probabilities `[n, classes]` of the test rows.
        labels: their classes `[n]`.
        class_names: one name a class.
        train_rows: number of training rows of each class.

    Returns:
        A dictionary: `auc` has a row per class with its AUC against the rest, its recall and its numbers of rows; `roc`
        its curve; `confusion` the number of test rows per true and predicted class; `calibration`, per tenth of
        confidence, the number of rows, their mean confidence and their accuracy.
    """
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    auc, roc = _common.roc_tables(probabilities, labels, class_names)
    counts = np.zeros((len(class_names),) * 2, int)
    np.add.at(counts, (labels, predicted), 1)
    for index, row in enumerate(auc):
        of_class = counts[index].sum()
        row.update(recall=counts[index, index] / of_class, train_rows=int(train_rows[index]), test_rows=int(of_class))
    confusion = [
        {"true": true, "predicted": name, "rows": int(counts[i, j])}
        for i, true in enumerate(class_names)
        for j, name in enumerate(class_names)
    ]
    tenth = pd.Series(np.minimum((confidence * BINS).astype(int), BINS - 1), name="tenth")
    right = pd.DataFrame({"confidence": confidence, "accuracy": predicted == labels}).groupby(tenth)
    calibration = right.mean().assign(rows=right.size()).reset_index().to_dict("records")
    return {"auc": auc, "roc": roc, "confusion": confusion, "calibration": calibration}


def runs(scale):
    """The runs of a scale: all learning rates on the classes as drawn, the largest on equal classes too."""
    settings = SCALES[scale]
    conditions = [(rate, "as drawn") for rate in LEARNING_RATES] + [(LEARNING_RATES[-1], "equal")]
    return [
        Run(settings["data"], normalization, rate, classes, settings["epochs"], seed, settings["jit"])
        for normalization in NORMALIZATIONS
        for rate, classes in conditions
        for seed in range(settings["seeds"])
    ]


_RATE = ("learning_rate",)


def _as_drawn(table):
    return table[table.classes == "as drawn"]


def _gap(tables, column, epoch=None):
    """BN minus base in points, per learning rate and seed, in an epoch or the last."""
    epochs = _as_drawn(tables["epochs"])
    chosen = epochs[epochs.epoch == (epoch or epochs.epoch.max())]
    return _common.paired(chosen.assign(points=100 * chosen[column]), "points", "normalization", "bn", "none", _RATE)


def _catching_up(tables):
    return _gap(tables, "test_accuracy", 1) - _gap(tables, "test_accuracy")


def _better_auc(tables):
    auc = _as_drawn(tables["auc"])
    mean = auc.groupby(["learning_rate", "normalization", "seed"], as_index=False)["auc"].mean()
    return _common.paired(mean, "auc", "normalization", "bn", "none", _RATE)


def difficulty(auc):
    """How far the AUC of each class lies below the mean of the other classes, per run: positive is hard."""
    wide = auc.pivot_table(index=["learning_rate", "classes", "normalization", "seed"], columns="class", values="auc")
    others = wide.shape[1] - 1
    return (wide.sum(axis=1).to_numpy()[:, None] - wide) / others - wide


def _by_reading(frame):
    """A frame with a column per class and seeds as rows, as effects whose condition is a reading of `type 5`."""
    chosen = frame[list(TYPES)].rename(columns={name: f"{name} ({how})" for name, how in TYPES.items()})
    return chosen.rename_axis(columns="condition").stack().swaplevel().rename("effect").sort_index(level="seed")


def _hard_for_both(tables):
    hard = difficulty(tables["auc"]).xs((LEARNING_RATES[-1], "as drawn"), level=("learning_rate", "classes"))
    return _by_reading(hard.groupby("seed").min())


def _because_rare(tables):
    hard = difficulty(tables["auc"]).groupby(["learning_rate", "classes", "seed"]).mean().loc[LEARNING_RATES[-1]]
    return _by_reading(hard.loc["as drawn"] - hard.loc["equal"])


def _claim(id, sentence, measure, effect, **options):
    return Claim(id, "mnist-report", sentence, "figure", measure, effect, **options)


_AHEAD = "With batch normalization, accuracy is higher from the start."
_REACHES = "The base model slowly reaches batch normalization."
_HARD = 'One type, "type 5", is hard for both models.'

CLAIMS = (
    _claim("G1", _AHEAD, "test accuracy after epoch 1, BN minus base, points", lambda t: _gap(t, "test_accuracy", 1)),
    _claim("G1", _AHEAD, "training accuracy in epoch 1, BN minus base, points", lambda t: _gap(t, "train_accuracy", 1)),
    _claim("G1", _REACHES, "BN's lead in test accuracy, epoch 1 minus last epoch, points", _catching_up),
    _claim(
        "G1",
        _REACHES,
        "test accuracy after the last epoch, BN minus base, points, within 1",
        lambda t: _gap(t, "test_accuracy"),
        margin=1.0,
    ),
    _claim("G2", "Batch normalization has the better ROC curves.", "mean AUC over classes, BN minus base", _better_auc),
    _claim(
        "G3", _HARD, "AUC of the other classes minus that of the type, in the model that does better", _hard_for_both
    ),
    _claim(
        "G3",
        "It is hard because it is rare.",
        "the same, mean of both models, all rows minus equally many of every class",
        _because_rare,
    ),
)


def figures(tables):
    """Figures of the study, `{name: matplotlib Figure}`: accuracy, roc, difficulty, confusion, calibration."""
    from bnkeras.plots import classes as plots

    source = _common.describe(tables["epochs"])
    best = {name: table[table.learning_rate == LEARNING_RATES[-1]] for name, table in tables.items()}
    note = f"learning rate {LEARNING_RATES[-1]:g}; {source}"
    return {
        "accuracy": plots.training_and_test(_as_drawn(tables["epochs"]), "learning_rate", source),
        "roc": plots.roc_by_class(_as_drawn(best["roc"]), _as_drawn(best["auc"]), note),
        "difficulty": plots.auc_by_class(best["auc"], note),
        "confusion": plots.confusion(_as_drawn(best["confusion"]), note),
        "calibration": plots.calibration(_as_drawn(best["calibration"]), note),
    }

"""Claims G1 to G3, each with the effects that measure it."""

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import at_inference, paired

RATE = 1.0  # the largest learning rate, at which both models learn fastest; G3 is judged there
TYPES = {
    "containers": "type 5 of UCI",
    "tableware": "label 5, counted from 0",
    "vehic wind float": "label 5, sorted by name",
    "vehic wind non-float": "the rarest",
}


def as_drawn(table):
    """The rows of the runs on all training rows."""
    return table[table.classes == "as drawn"]


def lead(column, epoch=None):
    """Accuracy in `epoch`, or the last, BN minus base, in points."""

    def effect(tables):
        epochs = as_drawn(at_inference(tables["epochs"], "moving averages"))
        chosen = epochs[epochs.epoch == (epoch or epochs.epoch.max())]
        chosen = chosen.assign(points=100 * chosen[column])
        return paired(chosen, "points", "normalization", "bn", "none", ["learning_rate"])

    return effect


def catching_up(tables):
    """BN's lead in test accuracy after the first epoch minus that after the last."""
    return lead("test_accuracy", 1)(tables) - lead("test_accuracy")(tables)


def better_auc(tables):
    """Mean AUC over classes, BN minus base."""
    auc = as_drawn(tables["auc"])
    mean = auc.groupby(["learning_rate", "normalization", "seed"], as_index=False)["auc"].mean()
    return paired(mean, "auc", "normalization", "bn", "none", ["learning_rate"])


def difficulty(auc):
    """How far the AUC of each class lies below the mean of the other classes, per run: positive is hard."""
    wide = auc[auc.learning_rate == RATE].pivot_table(
        index=["classes", "normalization", "seed"], columns="class", values="auc"
    )
    others = wide.shape[1] - 1
    return (wide.sum(axis=1).to_numpy()[:, None] - wide) / others - wide


def _by_reading(frame):
    """A frame with a column per class and seeds as rows, as effects whose condition is a reading of `type 5`."""
    chosen = frame[list(TYPES)].rename(columns={name: f"{name} ({how})" for name, how in TYPES.items()})
    return chosen.rename_axis(columns="type").stack().swaplevel().sort_index(level="seed")


def hard_for_both(tables):
    """AUC of the other classes minus that of the type, in the model that does better."""
    return _by_reading(difficulty(tables["auc"]).loc["as drawn"].groupby("seed").min())


def because_rare(tables):
    """The same, mean of both models, all rows minus equally many of every class."""
    hard = difficulty(tables["auc"]).groupby(["classes", "seed"]).mean()
    return _by_reading(hard.loc["as drawn"] - hard.loc["equal"])


def _claim(id, sentence, *measures):
    return Claim(id, "mnist-report", sentence, "figure", measures)


_REACHES = "The base model slowly reaches batch normalization."

CLAIMS = (
    _claim(
        "G1",
        "With batch normalization, accuracy is higher from the start.",
        Measure("test accuracy after epoch 1, BN minus base, points", lead("test_accuracy", 1)),
        Measure("training accuracy in epoch 1, BN minus base, points", lead("train_accuracy", 1)),
        Measure(
            "BN's lead in test accuracy, epoch 1 minus last epoch, points",
            catching_up,
            sentence=_REACHES,
        ),
        Measure(
            "test accuracy after the last epoch, BN minus base, points, within 1",
            lead("test_accuracy"),
            margin=1.0,
            sentence=_REACHES,
        ),
    ),
    _claim(
        "G2",
        "Batch normalization has the better ROC curves.",
        Measure("mean AUC over classes, BN minus base", better_auc),
    ),
    _claim(
        "G3",
        'One type, "type 5", is hard for both models.',
        Measure("AUC of the other classes minus that of the type, in the model that does better", hard_for_both),
        Measure(
            "the same, mean of both models, all rows minus equally many of every class",
            because_rare,
            sentence="It is hard because it is rare.",
        ),
    ),
)

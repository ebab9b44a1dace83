"""Claims G1 to G3, each with its headline and what else was explored."""

from bnkeras.evidence.claims import NONE, Claim, Measure
from bnkeras.evidence.effects import at, at_inference, headline, paired

RATE = 1.0  # the learning rate of the headlines, at which both models learn fastest
TYPE = "vehic wind float"
READINGS = {
    TYPE: "label 5 of a label encoder",
    "containers": "type 5 of UCI",
    "tableware": "label 5 in UCI's order, counted from 0",
    "vehic wind non-float": "the rarest",
}


def as_drawn(table):
    """The rows of the runs on all training rows."""
    return table[table.classes == "as drawn"]


def main(table):
    """The rows of the headlines' runs."""
    return headline(table, classes="as drawn", learning_rate=RATE)


def lead(epochs, column="test_accuracy", by=()):
    """Accuracy, BN with the population's statistics minus base, in points."""
    epochs = at_inference(epochs, "population")
    return paired(epochs.assign(points=100 * epochs[column]), "points", "normalization", "bn", "none", by)


def first(tables):
    """The rows of the first epoch."""
    return tables["epochs"].query("epoch == 1")


def catching_up(tables):
    """BN's lead after each of some epochs, at each learning rate."""
    epochs = tables["epochs"]
    return lead(as_drawn(epochs[epochs.epoch.isin([1, 5, 20, 50, 100])]), by=["learning_rate", "epoch"])


def better_auc(auc, by=()):
    """Mean AUC over classes, BN minus base."""
    mean = auc.groupby([*by, "normalization", "seed"], as_index=False)["auc"].mean()
    return paired(mean, "auc", "normalization", "bn", "none", by)


def difficulty(auc):
    """How far the AUC of each class lies below the mean of the other classes, per run: positive is hard."""
    wide = headline(auc, learning_rate=RATE).pivot_table(
        index=["classes", "normalization", "seed"], columns="class", values="auc"
    )
    others = wide.shape[1] - 1
    return (wide.sum(axis=1).to_numpy()[:, None] - wide) / others - wide


def hard_for_both(tables):
    """AUC of the other classes minus that of the type, in the model that does better, for each type."""
    return at(difficulty(tables["auc"]), classes="as drawn").groupby("seed").min()


def because_rare(tables):
    """The same, mean of both models, all rows minus equally many of every class."""
    hard = difficulty(tables["auc"]).groupby(["classes", "seed"]).mean()
    drawn = at(hard, classes="as drawn")
    return by_reading((drawn - (hard.loc["equal"] if "equal" in hard.index else drawn[:0])).dropna())


def by_reading(frame):
    """A frame with a column per class and seeds as rows, as effects whose condition is a reading of "type 5"."""
    chosen = frame[list(READINGS)].rename(columns={name: f"{name} ({how})" for name, how in READINGS.items()})
    return chosen.rename_axis(index="seed", columns="type").stack().swaplevel().sort_index(level="seed")


def _claim(id, sentence, headline, *explored, **options):
    return Claim(id, "mnist-report", sentence, "figure", headline, explored, **options)


_RATES = "learning rate (0.01 to 1)"
_HARD = "AUC of the other classes minus that of the type, in the model that does better"

CLAIMS = (
    _claim(
        "G1",
        "With batch normalization accuracy is higher from the start, and the base model slowly reaches it.",
        Measure("test accuracy after epoch 1, BN minus base", lambda t: lead(main(first(t))), "points", 2),
        Measure("test accuracy, BN minus base", catching_up, "points", 1, NONE, "The base model slowly reaches it."),
        Measure(
            "training accuracy in epoch 1, BN minus base",
            lambda t: lead(as_drawn(first(t)), "train_accuracy", ["learning_rate"]),
            "points",
            2,
        ),
        unknown=_RATES,
        plain=(
            "BN is ahead from the first epoch.",
            "Neither model is ahead after the first epoch.",
            "The base model is ahead after the first epoch.",
        ),
    ),
    _claim(
        "G2",
        "Batch normalization has the better ROC curves.",
        Measure("mean AUC over classes, BN minus base", lambda t: better_auc(main(t["auc"])), "AUC", 0.005),
        Measure(
            "mean AUC over classes, BN minus base",
            lambda t: better_auc(as_drawn(t["auc"]), ["learning_rate"]),
            "AUC",
            0.005,
        ),
        Measure("AUC of a class, BN minus base", lambda t: better_auc(main(t["auc"]), ["class"]), "AUC", 0.005),
        unknown=_RATES,
        plain=(
            "BN ends with the better ROC curves.",
            "The ROC curves end equally good.",
            "The base model ends with the better ROC curves.",
        ),
    ),
    _claim(
        "G3",
        'One type, "type 5", is hard for both models.',
        Measure(_HARD, lambda t: hard_for_both(t)[TYPE], "AUC", 0.01),
        Measure(_HARD, lambda t: by_reading(hard_for_both(t)), "AUC", 0.01),
        Measure(
            "the same, mean of both models, all rows minus equally many of every class",
            because_rare,
            "AUC",
            0.01,
            sentence="It is hard because it is rare.",
        ),
        unknown="how the types are counted (three ways)",
        plain=(
            "Type 5 is harder than the other types for both models.",
            "Type 5 is no harder than the other types.",
            "Type 5 is easier than the other types.",
        ),
    ),
)

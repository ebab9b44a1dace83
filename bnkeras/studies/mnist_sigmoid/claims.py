"""Claims M1 to M5, each with its headline and what else was explored."""

from bnkeras.evidence.claims import NONE, Claim, Measure
from bnkeras.evidence.effects import at_inference, headline, last_epoch, paired

STDDEV, ACTIVATION, MOMENTUM = 0.05, "sigmoid", 0.99
CONDITION = ["activation", "stddev", "learning_rate"]
MAIN = {"activation": ACTIVATION, "stddev": STDDEV, "momentum": MOMENTUM}
_SETTINGS = (*CONDITION, "normalization", "momentum", "seed")
_BN_AND_BASE = ("normalization", "bn", "none")
_BASE_AND_BN = ("normalization", "none", "bn")


def points(tables, way="population"):
    """The rows of the epochs as BN infers in one way, with test accuracy in `points`."""
    epochs = at_inference(tables["epochs"], way)
    return epochs.assign(points=100 * epochs.test_accuracy)


def main(table):
    """The rows of the headlines' runs."""
    return headline(table, **MAIN)


def mapped(table):
    """The rows of the map: those with the averages' default momentum, on which the base model does not depend."""
    return table[table.momentum == MOMENTUM]


def early_lead(tables, rows, by=()):
    """Test accuracy in epoch 3 of the runs that `rows` chooses, BN minus base."""
    return paired(rows(points(tables)).query("epoch == 3"), "points", *_BN_AND_BASE, by)


def final_lead_of_base(tables, rows, by=()):
    """Test accuracy after the last epoch, base minus BN."""
    return paired(last_epoch(rows(points(tables)), _SETTINGS), "points", *_BASE_AND_BN, by)


def steadiness(tables, rows, by=(), column="relative"):
    """Drift of the percentiles, base minus BN."""
    return paired(rows(tables["drift"]), column, *_BASE_AND_BN, by)


def overhead(tables):
    """Median seconds of an epoch after the first, which compiles: BN over base, less 1, in percent.

    Without an answer where not every epoch was kept: those of the sample are too short to time.
    """
    steady = main(points(tables)).query("epoch > 1")
    steady = steady[steady.groupby(["seed", "normalization"])["epoch"].transform("nunique") == steady.epochs - 1]
    seconds = steady.groupby(["seed", "normalization"])["seconds"].median().unstack().reindex(columns=["none", "bn"])
    return 100 * (seconds["bn"] / seconds["none"] - 1)


def unevenness(tables, rows, by=()):
    """AUC of the best digit minus that of the worst, in the model where it is larger."""
    areas = rows(tables["auc"]).groupby([*by, "normalization", "seed"])["auc"]
    ranges = areas.agg(lambda area: area.max() - area.min())
    return ranges.groupby([*by, "seed"]).max()


def lead_at_momenta(tables):
    """Final accuracy of the base model minus that of BN with moving averages, at each momentum and learning rate."""
    rows = points(tables, "moving averages").query("stddev == @STDDEV and activation == @ACTIVATION")
    last = last_epoch(rows, _SETTINGS)
    bn = last[last.normalization == "bn"].set_index(["momentum", "learning_rate", "seed"]).points
    base = last[last.normalization == "none"].set_index(["learning_rate", "seed"]).points
    return (base - bn).reorder_levels(["momentum", "learning_rate", "seed"]).dropna()


def _claim(id, sentence, reported, headline, *explored, **options):
    return Claim(id, "mnist-report", sentence, reported, headline, explored, **options)


def _measures(words, effect, *options, rows=mapped):
    """A headline, and the same measure in every setting of the map."""
    return (
        Measure(words, lambda tables: effect(tables, main), *options),
        Measure(words, lambda tables: effect(tables, rows, CONDITION), *options),
    )


_UNKNOWN = "learning rate (0.01 to 1) and initial deviation (0.05 to 0.8), sigmoid and ReLU"

CLAIMS = (
    _claim(
        "M1",
        "Batch normalization learns much faster; the base model's accuracy climbs slowly.",
        "> 80 % in epoch 3",
        *_measures("test accuracy in epoch 3, BN minus base", early_lead, "points", 5),
        unknown=_UNKNOWN,
        plain=(
            "With BN the network learns much faster.",
            "BN starts no faster.",
            "BN starts more slowly.",
        ),
    ),
    _claim(
        "M2",
        "After the whole training the base model is ahead of batch normalization.",
        "94 % against 90.70 %",
        *_measures("final test accuracy, base minus BN", final_lead_of_base, "points", 0.5),
        Measure("final test accuracy, base minus BN with moving averages", lead_at_momenta, "points", 0.5),
        unknown=f"{_UNKNOWN}, momentum of the averages (0.9 to 0.999)",
        reported_effect=3.3,
        plain=(
            "The base model ends higher.",
            "Both models end alike.",
            "The model with BN ends higher.",
        ),
    ),
    _claim(
        "M3",
        "Batch normalization costs training time.",
        "932 s against 1079 s (+15.8 %)",
        Measure("seconds per epoch, BN over base", overhead, "%", 5),
        reported_effect=15.8,
        plain=(
            "BN costs training time.",
            "BN costs no time that matters.",
            "BN saves training time.",
        ),
    ),
    _claim(
        "M4",
        "The percentiles of the last hidden layer's input stay still with batch normalization and drift without.",
        "figure",
        *_measures("drift of the percentiles over their distance, base minus BN", steadiness, "relative", 0.02),
        Measure(
            "drift of the percentiles, base minus BN",
            lambda tables: steadiness(tables, mapped, CONDITION, "drift"),
            "relative",
        ),
        unknown=_UNKNOWN,
        plain=(
            "With BN the inputs of the last sigmoids drift less.",
            "They drift alike with BN and without.",
            "With BN they drift more.",
        ),
    ),
    _claim(
        "M5",
        "Both models predict every digit about equally well.",
        "figure",
        *_measures(
            "AUC of the best minus the worst digit, in the worse model",
            unevenness,
            "AUC",
            0.02,
            NONE,
            rows=lambda table: mapped(table).query("stddev == @STDDEV"),
        ),
        unknown=_UNKNOWN,
        plain=(
            "Some digits are told apart clearly worse than others.",
            "Both models tell all digits apart about equally well.",
            "Both models tell all digits apart equally well.",
        ),
    ),
)

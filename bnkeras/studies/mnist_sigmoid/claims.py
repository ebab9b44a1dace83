"""Claims M1 to M5, each with the effects that measure it."""

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import at_inference, last_epoch, paired

_SETTINGS = ("learning_rate", "normalization", "seed")
_RATE = ["learning_rate"]


def _points(tables):
    """The rows of every epoch with moving averages, with test accuracy in `points`."""
    epochs = at_inference(tables["epochs"], "moving averages")
    return epochs.assign(points=100 * epochs.test_accuracy)


def early_lead(tables):
    """Test accuracy in epoch 3, BN minus base."""
    epochs = _points(tables)
    return paired(epochs[epochs.epoch == 3], "points", "normalization", "bn", "none", _RATE)


def early_level(tables):
    """Test accuracy of BN in epoch 3, above 80 %."""
    epochs = _points(tables).query("epoch == 3 and normalization == 'bn'")
    return epochs.set_index([*_RATE, "seed"]).points.sort_index() - 80


def final_lead_of_base(tables):
    """Test accuracy after the last epoch, base minus BN."""
    return paired(last_epoch(_points(tables), _SETTINGS), "points", "normalization", "none", "bn", _RATE)


def overhead(tables):
    """Median seconds of an epoch after the first, which compiles: BN over base, less 1, in percent."""
    steady = _points(tables).query("epoch > 1")
    seconds = steady.pivot_table(index="seed", columns="normalization", values="seconds", aggfunc="median")
    return 100 * (seconds["bn"] / seconds["none"] - 1)


def drift(column):
    """Drift of the percentiles, base minus BN."""
    return lambda tables: paired(tables["drift"], column, "normalization", "none", "bn", _RATE)


def unevenness(tables):
    """AUC of the best digit minus that of the worst, in the model where it is larger."""
    ranges = tables["auc"].groupby(list(_SETTINGS))["auc"].agg(lambda auc: auc.max() - auc.min())
    return ranges.groupby([*_RATE, "seed"]).max()


def _claim(id, sentence, reported, *measures):
    return Claim(id, "mnist-report", sentence, reported, measures)


CLAIMS = (
    _claim(
        "M1",
        "Batch normalization learns much faster; the base model's accuracy climbs slowly.",
        "> 80 % in epoch 3",
        Measure("test accuracy in epoch 3, BN minus base, points", early_lead),
        Measure(
            "test accuracy of BN in epoch 3 above 80 %, points",
            early_level,
            sentence="With batch normalization the accuracy exceeds 80 % in the third epoch.",
        ),
    ),
    _claim(
        "M2",
        "After the whole training the base model is ahead of batch normalization.",
        "94 % against 90.70 %",
        Measure("final test accuracy, base minus BN, points", final_lead_of_base),
    ),
    _claim(
        "M3",
        "Batch normalization costs training time.",
        "932 s against 1079 s (+15.8 %)",
        Measure("seconds per epoch, BN over base, %", overhead),
    ),
    _claim(
        "M4",
        "The percentiles of the last hidden layer's input stay still with batch normalization and drift without.",
        "figure",
        Measure("drift of the percentiles, base minus BN", drift("drift")),
        Measure("drift of the percentiles relative to their distance, base minus BN", drift("relative")),
    ),
    _claim(
        "M5",
        "Both models predict every digit about equally well.",
        "figure",
        Measure("AUC of the best minus the worst digit, in the worse model", unevenness, margin=0.02),
    ),
)

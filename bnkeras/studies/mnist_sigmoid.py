"""MNIST with sigmoids, with and without batch normalization: claims M1 to M5.

Ioffe & Szegedy (2015), section 4.1, as a course report replicated it: 784-100-100-100-10, sigmoid, mini-batches of
60, plain SGD on the cross-entropy, weights from a narrow Gaussian, 50,000 steps. The learning rate is in neither
text; it decides the outcome, so the study takes three.

    python -m bnkeras run mnist_sigmoid --scale paper --publish

Reported: more than 80 % accuracy in epoch 3 with batch normalization; finally 94 % without and 90.70 % with it;
932 s against 1,079 s. Scales: `quick` on the stand-in, `laptop` 10 epochs and `paper` 50 epochs on MNIST, 5 seeds.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from scipy.special import softmax

from bnkeras.claims import Claim
from bnkeras.studies import _common

SCALES = {
    "quick": {"data": "mnist_sample", "epochs": 10, "seeds": 3, "probe_every": 100},
    "laptop": {"data": "mnist", "epochs": 10, "seeds": 5, "probe_every": 100},
    "paper": {"data": "mnist", "epochs": 50, "seeds": 5, "probe_every": 500},
}
NORMALIZATIONS = ("none", "bn")
LEARNING_RATES = (0.01, 0.1, 1.0)
PERCENTILES = (15, 50, 85)
PROBE_SIZE = 500


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: name of the data set.
        normalization: `"none"` or `"bn"`.
        learning_rate: of plain SGD.
        epochs: passes over the training images.
        seed: of the weights and of the batch order; runs with and without normalization share both.
        probe_every: training steps from one look at the percentiles to the next.
        batch_size: examples a step.
        stddev: standard deviation of the initial weights.
    """

    study: ClassVar[str] = "mnist_sigmoid"

    data: str
    normalization: str
    learning_rate: float
    epochs: int
    seed: int
    probe_every: int
    batch_size: int = 60
    stddev: float = 0.05

    def train(self):
        """Train and return the tables `epochs`, `percentiles`, `drift`, `auc` and `roc` as lists of rows."""
        _common.start_keras()
        from bnkeras import callbacks, datasets

        data = datasets.load(self.data)
        x_train, x_test = map(_common.unit_interval, (data.x_train, data.x_test))
        model = build(self, x_train.shape[1:], len(data.class_names))
        logger = callbacks.PercentileLogger(
            x_test[:PROBE_SIZE], every=self.probe_every, percentiles=PERCENTILES, mode="training"
        )
        epochs = _common.train(model, (x_train, data.y_train, x_test, data.y_test), self, [logger])
        percentiles, drift = percentile_tables(logger.result())
        auc, roc = _common.roc_tables(_probabilities(model, x_test), data.y_test, data.class_names)
        epochs = [{**row, "source": data.source} for row in epochs]
        return {"epochs": epochs, "percentiles": percentiles, "drift": drift, "auc": auc, "roc": roc}


def runs(scale):
    """The runs of a scale: every seed and learning rate, without and with batch normalization side by side."""
    settings = SCALES[scale]
    return [
        Run(settings["data"], normalization, learning_rate, settings["epochs"], seed, settings["probe_every"])
        for seed in range(settings["seeds"])
        for learning_rate in LEARNING_RATES
        for normalization in NORMALIZATIONS
    ]


def build(run, input_shape=(28, 28), classes=10):
    """The compiled model of a run."""
    import keras

    from bnkeras import models

    keras.utils.set_random_seed(run.seed)
    model = models.mlp(input_shape, classes, run.normalization, stddev=run.stddev)
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _probabilities(model, x):
    import keras

    return softmax(keras.ops.convert_to_numpy(model(x, training=False)).astype("float64"), axis=1)


def percentile_tables(log):
    """Condense a `PercentileLogger`'s table of all units.

    Args:
        log: rows of `step`, `unit`, `percentile`, `value`.

    Returns:
        `(percentiles, drift)`. `percentiles`: rows `step, percentile, typical, mean`, of the unit whose drift is the
        median one, and averaged over the units. `drift`: one row with `drift`, how far a percentile wanders (its
        standard deviation over the logged steps, averaged over percentiles and units, in units of the activation's
        input), `width`, the mean distance of the outer percentiles, and `relative`, the first over the second.
    """
    wide = log.pivot(index="step", columns=["unit", "percentile"], values="value")
    drift = wide.std(ddof=0).groupby("unit").mean()
    typical = drift.sort_values().index[len(drift) // 2]
    rows = []
    for percentile in log["percentile"].unique():
        values = wide.xs(percentile, axis=1, level="percentile")
        rows.append(pd.DataFrame({"percentile": percentile, "typical": values[typical], "mean": values.mean(axis=1)}))
    outer = wide.xs(max(PERCENTILES), axis=1, level=1) - wide.xs(min(PERCENTILES), axis=1, level=1)
    drift_row = {"unit": int(typical), "drift": float(drift.mean()), "width": float(outer.to_numpy().mean())}
    drift_row["relative"] = drift_row["drift"] / drift_row["width"]
    return pd.concat(rows).reset_index().to_dict("records"), [drift_row]


_SETTINGS = ("learning_rate", "normalization", "seed")
_RATE = ("learning_rate",)


def _early_gain(tables):
    epochs = tables["epochs"]
    third = epochs[epochs.epoch == 3].assign(points=100 * epochs.test_accuracy)
    return _common.paired(third, "points", "normalization", "bn", "none", by=_RATE)


def _early_level(tables):
    epochs = tables["epochs"]
    third = epochs[(epochs.epoch == 3) & (epochs.normalization == "bn")]
    effect = third.set_index(["learning_rate", "seed"]).test_accuracy * 100 - 80
    return _common.labelled(effect.sort_index(), _RATE)


def _final_loss_of_bn(tables):
    final = _common.last_epoch(tables["epochs"], _SETTINGS)
    final = final.assign(points=100 * final.test_accuracy)
    return _common.paired(final, "points", "normalization", "none", "bn", by=_RATE)


def _overhead(tables):
    steady = tables["epochs"].query("epoch > 1")
    seconds = steady.pivot_table(index="seed", columns="normalization", values="seconds", aggfunc="median")
    return 100 * (seconds["bn"] / seconds["none"] - 1)


def _drift(tables):
    return _common.paired(tables["drift"], "drift", "normalization", "none", "bn", by=_RATE)


def _relative_drift(tables):
    return _common.paired(tables["drift"], "relative", "normalization", "none", "bn", by=_RATE)


def _unevenness(tables):
    ranges = tables["auc"].groupby(list(_SETTINGS))["auc"].agg(lambda auc: auc.max() - auc.min())
    return _common.labelled(ranges.groupby(["learning_rate", "seed"]).max(), _RATE)


def _claim(id, sentence, reported, measure, effect, **options):
    return Claim(id, "mnist-report", sentence, reported, measure, effect, **options)


CLAIMS = (
    _claim(
        "M1",
        "Batch normalization learns much faster; the base model's accuracy climbs slowly.",
        "> 80 % in epoch 3",
        "test accuracy in epoch 3, BN minus base, points",
        _early_gain,
    ),
    _claim(
        "M1",
        "With batch normalization the accuracy exceeds 80 % in the third epoch.",
        "> 80 % in epoch 3",
        "test accuracy of BN in epoch 3 above 80 %, points",
        _early_level,
    ),
    _claim(
        "M2",
        "After the whole training the base model is ahead of batch normalization.",
        "94 % against 90.70 %",
        "final test accuracy, base minus BN, points",
        _final_loss_of_bn,
    ),
    _claim(
        "M3",
        "Batch normalization costs training time.",
        "932 s against 1079 s (+15.8 %)",
        "seconds per epoch, BN over base, %",
        _overhead,
    ),
    _claim(
        "M4",
        "The percentiles of the last hidden layer's input stay still with batch normalization and drift without.",
        "figure",
        "drift of the percentiles, base minus BN",
        _drift,
    ),
    _claim(
        "M4",
        "The percentiles of the last hidden layer's input stay still with batch normalization and drift without.",
        "figure",
        "drift of the percentiles relative to their distance, base minus BN",
        _relative_drift,
    ),
    _claim(
        "M5",
        "Both models predict every digit about equally well.",
        "figure",
        "AUC of the best minus the worst digit, in the worse model",
        _unevenness,
        margin=0.02,
    ),
)


def figures(tables):
    """Figures of the study, `{name: matplotlib Figure}`: accuracy, percentiles, roc, seconds."""
    from bnkeras.plots import training as plots

    source = _common.describe(tables["epochs"])
    return {
        "accuracy": plots.accuracy_by_step(tables["epochs"], "learning_rate", "normalization", source),
        "percentiles": plots.percentile_bands(tables["percentiles"], "learning_rate", "normalization", source),
        "roc": plots.roc_curves(tables["roc"], tables["auc"], "learning_rate", "normalization", source),
        "seconds": plots.seconds_per_epoch(tables["epochs"], "normalization", source),
    }

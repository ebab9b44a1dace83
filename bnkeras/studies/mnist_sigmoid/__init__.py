"""MNIST with sigmoids, with and without batch normalization: claims M1 to M5.

Ioffe & Szegedy (2015), section 4.1, as a course report replicated it: 784-100-100-100-10, sigmoid, mini-batches of
60, plain SGD on the cross-entropy, weights from a narrow Gaussian, 50,000 steps. The learning rate is in neither
text; it decides the outcome, so the study takes three.

    python -m bnkeras run mnist_sigmoid --scale paper --publish

Reported: more than 80 % accuracy in epoch 3 with batch normalization; finally 94 % without and 90.70 % with it;
932 s against 1,079 s. Scales: `quick` on a sample of MNIST, `laptop` 10 epochs and `paper` 50 epochs on all of it.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from bnkeras import sweep
from bnkeras.studies.mnist_sigmoid.claims import CLAIMS
from bnkeras.studies.mnist_sigmoid.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {"data": "mnist_sample", "epochs": 15, "seeds": 3, "probe_every": 100},
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
        data: Name of the data set.
        normalization: `"none"` or `"bn"`.
        learning_rate: Of plain SGD.
        epochs: Passes over the training images.
        seed: Of the weights and of the batch order; runs with and without normalization share both.
        probe_every: Training steps from one look at the percentiles to the next.
        batch_size: Examples in a step.
        stddev: Standard deviation of the initial weights.
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
        sweep.start_keras()
        from bnkeras import callbacks, datasets, models, training
        from bnkeras.training import evaluation

        data = datasets.images(self.data)
        x_test, y_test = data.x_test, data.y_test
        model = models.renewed(
            build, (self.normalization, self.stddev), seed=self.seed, learning_rate=self.learning_rate
        )
        probe = x_test[:PROBE_SIZE]
        logger = callbacks.PercentileLogger(probe, every=self.probe_every, percentiles=PERCENTILES, mode="training")
        epochs = training.train_and_test(
            model,
            (data.x_train, data.y_train, x_test, y_test),
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            outputs=training.outputs_by_inference(data.x_train, x_test),
            callbacks=[logger],
        )
        percentiles, drift = percentile_tables(logger.result())
        auc, roc = evaluation.roc_tables(evaluation.logits(model, x_test), y_test, data.class_names)
        tables = {"epochs": epochs, "percentiles": percentiles, "drift": drift, "auc": auc, "roc": roc}
        return {"source": data.source, **tables}


def runs(scale):
    """The runs of a scale: every seed and learning rate, without and with batch normalization."""
    settings = SCALES[scale]
    return [
        Run(settings["data"], normalization, learning_rate, settings["epochs"], seed, settings["probe_every"])
        for normalization in NORMALIZATIONS
        for seed in range(settings["seeds"])
        for learning_rate in LEARNING_RATES
    ]


def build(normalization, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.mlp((28, 28), 10, normalization, stddev=stddev, seed=seed)


def percentile_tables(log):
    """Condense a `PercentileLogger`'s table of all units.

    Args:
        log: Rows of `step`, `unit`, `percentile`, `value`.

    Returns:
        `(percentiles, drift)`. `percentiles`: rows `step, percentile, typical, mean`, of the unit whose drift is the
        median one, and averaged over the units. `drift`: one row with `drift`, how far a percentile wanders (its
        standard deviation over the logged steps, averaged over percentiles and units, in units of the activation's
        input), `width`, the mean distance of the outer percentiles, and `relative`, the first over the second.
    """
    wide = log.pivot(index="step", columns=["unit", "percentile"], values="value")
    drift = wide.std(ddof=0).groupby("unit").mean()
    typical = drift.sort_values().index[len(drift) // 2]
    by_percentile = {percentile: wide.xs(percentile, axis=1, level="percentile") for percentile in PERCENTILES}
    rows = [
        pd.DataFrame({"percentile": percentile, "typical": values[typical], "mean": values.mean(axis=1)})
        for percentile, values in by_percentile.items()
    ]
    width = float((by_percentile[max(PERCENTILES)] - by_percentile[min(PERCENTILES)]).to_numpy().mean())
    drift_row = {"unit": int(typical), "drift": float(drift.mean()), "width": width}
    drift_row["relative"] = drift_row["drift"] / width
    return pd.concat(rows).reset_index().to_dict("records"), [drift_row]

"""MNIST with sigmoids, with and without batch normalization: claims M1 to M5.

Ioffe & Szegedy (2015), section 4.1, as a course report replicated it: 784-100-100-100-10, sigmoid, mini-batches of
60, plain SGD on the cross-entropy, weights from a narrow Gaussian, 50,000 steps. Neither text gives the learning rate,
the deviation of the initial weights or the momentum of the moving averages, so the study also maps them.

    python -m bnkeras run mnist_sigmoid --scale paper --publish

Reported: more than 80 % accuracy in epoch 3 with batch normalization; finally 94 % without and 90.70 % with it;
932 s against 1,079 s. Scales: `quick` the headline on a sample of MNIST, at rate 0.3; `laptop` 10 epochs and `paper`
50 epochs on all of it, with the map; an epoch takes about 0.4 s of a core.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from bnkeras import sweep
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.mnist_sigmoid.claims import ACTIVATION, CLAIMS, MOMENTUM, STDDEV
from bnkeras.studies.mnist_sigmoid.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

# The sample has a tenth of the images: with the published rate its networks would have to go through it 100 times.
SCALES = {
    "quick": {"data": "mnist_sample", "epochs": 40, "learning_rate": 0.3, "probe_every": 200, "map_seeds": 0},
    "laptop": {"data": "mnist", "epochs": 10, "learning_rate": 0.1, "probe_every": 100, "map_seeds": 3},
    "paper": {"data": "mnist", "epochs": 50, "learning_rate": 0.1, "probe_every": 500, "map_seeds": 5},
}
NORMALIZATIONS = ("none", "bn")
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
STDDEVS = (0.05, 0.1, 0.2, 0.4, 0.8)
MOMENTA = (0.9, 0.999)
PERCENTILES = (15, 50, 85)
PROBE_SIZE = 500
EPOCHS = (1, 2, 3, 5, 10, 20, 50)
SHORTEST_EPOCH = 500  # steps; a test takes longer than fewer, and their time cannot be told


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        normalization: `"none"` or `"bn"`.
        activation: Of the hidden layers.
        stddev: Standard deviation of the initial weights.
        learning_rate: Of plain SGD.
        momentum: Of the moving averages.
        epochs: Passes over the training images.
        seed: Of the weights and of the batch order; runs with and without normalization share both.
        probe_every: Training steps from one look at the percentiles to the next.
        detail: Whether to keep every epoch, the percentiles and the ROC curves.
        batch_size: Examples in a step.
    """

    study: ClassVar[str] = "mnist_sigmoid"

    data: str
    normalization: str
    activation: str
    stddev: float
    learning_rate: float
    momentum: float
    epochs: int
    seed: int
    probe_every: int
    detail: bool
    batch_size: int = 60

    def train(self):
        """Train and return the tables `epochs`, `drift` and `auc`, and with `detail` `percentiles` and `roc`."""
        sweep.start_keras()
        from bnkeras import callbacks, datasets, models, training

        data = datasets.prepared(self.data)
        form = (self.normalization, self.activation, self.stddev, self.momentum)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate)
        probe = data.x_test[:PROBE_SIZE]
        logger = callbacks.PercentileLogger(probe, every=self.probe_every, percentiles=PERCENTILES, mode="training")
        rows = training.train_and_test(
            model,
            data.arrays,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            at=self._tested_at(len(data.x_train) // self.batch_size),
            callbacks=[logger],
        )
        outputs = training.population_logits(model, data.x_train, data.x_test)
        auc, roc = training.roc_tables(outputs, data.y_test, data.class_names)
        percentiles, drift = percentile_tables(logger.result())
        details = {"percentiles": percentiles, "roc": roc} if self.detail else {}
        return {"source": data.source, "epochs": rows, "drift": drift, "auc": auc, **details}

    def _tested_at(self, per_epoch):
        """Steps after which to test: of every epoch where its time is wanted and can be told, else of some."""
        every = self.detail and per_epoch >= SHORTEST_EPOCH
        epochs = range(1, self.epochs + 1) if every else (*EPOCHS, self.epochs)
        return {epoch * per_epoch for epoch in epochs if epoch <= self.epochs}


def build(normalization, activation, stddev, momentum, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    options = {"activation": activation, "stddev": stddev, "momentum": momentum, "seed": seed}
    return models.mlp((28, 28), 10, normalization, **options)


def runs(scale, seeds=None):
    """The runs of a scale: the headline's, and with seeds of their own the map over what the texts leave out.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    common = {name: settings[name] for name in ("data", "epochs", "probe_every")}
    headline = headline_seeds(CLAIMS, seeds)
    mapped = range(settings["map_seeds"])
    grid = [(a, s, r, MOMENTUM) for a in (ACTIVATION, "relu") for s in STDDEVS for r in RATES]
    averages = [(ACTIVATION, STDDEV, rate, momentum) for momentum in MOMENTA for rate in RATES]
    designs = [(True, headline, [(ACTIVATION, STDDEV, settings["learning_rate"], MOMENTUM)], NORMALIZATIONS)]
    designs += [(False, mapped, grid, NORMALIZATIONS), (False, mapped, averages, ("bn",))]
    return [
        Run(common["data"], kind, *setting, common["epochs"], seed, common["probe_every"], detail)
        for detail, chosen, conditions, kinds in designs
        for setting in conditions
        for kind in kinds
        for seed in chosen
    ]


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

"""Batch sizes from 1 to 1,024 on MNIST, with and without batch normalization: claims B1 and S7.

One paper looks at batches of 1 to 64 and finds that small ones ruin batch normalization (BN), another at 32 to 1,024
and finds it ahead at all of them. Here both ranges lie on one curve, for the network of `mnist_sigmoid`, at equal
epochs and at equal steps, with one learning rate for all batch sizes and with one in proportion to the batch size.

    python -m bnkeras run batch_size --scale laptop --publish

Two things can go wrong with a small batch under BN: its noisy statistics may spoil the training, or the moving
averages may be a poor guide to the population at inference. Each network is therefore tested three times: with its
moving averages, with the population's statistics estimated anew, and with the own statistics of test batches of the
training's size. Scales: `quick` on the stand-in with four batch sizes; `laptop` 10,000 images, nine batch
sizes; `paper` all images, fifteen.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from bnkeras.claims import Claim
from bnkeras.studies import _batches, _common, _reuse
from bnkeras.studies._batches import MOVING, POPULATION

SCALES = {
    "quick": {
        "data": "mnist_sample",
        "images": 600,
        "batch_sizes": (1, 4, 64, 256),
        "epochs": 5,
        "steps": 100,
        "seeds": 3,
        "jit": False,
    },
    "laptop": {
        "data": "mnist",
        "images": 10_000,
        "batch_sizes": (1, 2, 4, 8, 16, 32, 64, 256, 1024),
        "epochs": 10,
        "steps": 1_000,
        "seeds": 5,
        "jit": True,
    },
    "paper": {
        "data": "mnist",
        "images": 60_000,
        "batch_sizes": (1, 2, 3, 4, 5, 6, 8, 10, 16, 32, 64, 128, 256, 512, 1024),
        "epochs": 10,
        "steps": 10_000,
        "seeds": 5,
        "jit": True,
    },
}
NORMALIZATIONS = ("none", "bn")
RULES = ("fixed", "scaled")
RATE = 0.5
REFERENCE = 64


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: name of the data set.
        images: number of training images, the first of the set.
        normalization: `"none"` or `"bn"`.
        batch_size: examples a step; a smaller last batch is left out.
        rule: `"fixed"`, learning rate 0.5 for all, or `"scaled"`, 0.5 * batch size / 64.
        learning_rate: of plain SGD.
        epochs: passes over the training images at the first checkpoint.
        steps: training steps at the second.
        seed: of the weights and the batch order.
        jit: whether XLA compiles the training, which is sooner for thousands of steps.
        stddev: standard deviation of the initial weights.
    """

    study: ClassVar[str] = "batch_size"

    data: str
    images: int
    normalization: str
    batch_size: int
    rule: str
    learning_rate: float
    epochs: int
    steps: int
    seed: int
    jit: bool
    stddev: float = 0.05

    def train(self):
        """Train and return the table `epochs` as a list of rows: one per checkpoint and way of inference."""
        _common.start_keras()
        x_train, y_train, x_test, y_test, source = _batches.images(self.data, self.images)
        model = _reuse.network(self, x_train.shape[1:], 10)
        inference = _batches.inferences(x_train, x_test, self.batch_size)
        rows = _batches.train(model, (x_train, y_train, x_test, y_test), self, inference, self.steps)
        return {"epochs": [{**row, "source": source} for row in rows]}


def runs(scale):
    """The runs of a scale, those that share compiled programs one after the other."""
    settings = SCALES[scale]
    return [
        Run(
            settings["data"],
            settings["images"],
            normalization,
            batch_size,
            rule,
            RATE * (batch_size / REFERENCE if rule == "scaled" else 1),
            settings["epochs"],
            settings["steps"],
            seed,
            settings["jit"],
        )
        for normalization in NORMALIZATIONS
        for batch_size in settings["batch_sizes"]
        for rule in RULES
        for seed in range(settings["seeds"])
    ]


RANGES = {"B1 looks at 1 to 64": (1, 64), "S7 looks at 32 to 1,024": (32, 1024)}
_READINGS = ["rule", "budget"]
_WORDS = {"fixed": "learning rate fixed", "scaled": "learning rate scaled"}
SMALL = (1, 4)
LARGE_RANGE = 32


def by_size(epochs, value, inference=MOVING):
    """`value` with a column per batch size; rows are normalization, rule, budget and seed."""
    chosen = epochs[epochs.inference == inference]
    return chosen.pivot(index=["normalization", *_READINGS, "seed"], columns="batch_size", values=value)


def _labelled(effects, budgets=("epochs", "steps")):
    """Effects of several conditions: `{words: Series}` with rule, budget and seed in each Series' index."""
    parts = []
    for words, series in effects.items():
        frame = series.rename("effect").reset_index()
        frame = frame[frame.budget.isin(budgets)]
        text = frame.rule.map(_WORDS) + ", equal " + frame.budget
        parts.append(
            frame.assign(condition=f"{words}, " * bool(words) + text).set_index(["condition", "seed"])["effect"]
        )
    return pd.concat(parts)


def _points(tables, inference=MOVING):
    return 100 * by_size(tables["epochs"], "test_accuracy", inference)


def _loss_of_accuracy(tables):
    wide = _points(tables).loc["bn"]
    return _labelled({f"batch {size}": wide[REFERENCE] - wide[size] for size in SMALL})


def _rise_of_loss(tables):
    wide = by_size(tables["epochs"], "test_loss").loc["bn"]
    return _labelled({f"batch {size}": wide[size] - wide[REFERENCE] for size in SMALL}, ["epochs"])


def _more_than_base(tables):
    wide = _points(tables)
    drops = {size: wide[REFERENCE] - wide[size] for size in SMALL}
    return _labelled({f"batch {size}": drop.loc["bn"] - drop.loc["none"] for size, drop in drops.items()}, ["epochs"])


def _noise(tables):
    wide = _points(tables, POPULATION).loc["bn"]
    return _labelled({f"batch {size}": wide[REFERENCE] - wide[size] for size in SMALL}, ["epochs"])


def _lag(tables):
    gain = _points(tables, POPULATION).loc["bn"] - _points(tables).loc["bn"]
    return _labelled({f"batch {size}": gain[size] for size in (*SMALL, max(gain))}, ["epochs"])


def _ahead_everywhere(tables):
    wide = _points(tables)
    lead = wide.loc["bn"] - wide.loc["none"]
    return _labelled({"": lead[[size for size in lead if size >= LARGE_RANGE]].min(axis=1)})


def _smaller_is_better(tables):
    wide = _points(tables)
    large = [size for size in wide if size >= LARGE_RANGE]
    gain = wide[min(large)] - wide[max(large)]
    return _labelled({"": gain.groupby([*_READINGS, "seed"]).min()})


def _claim(id, sentence, measure, effect):
    paper, reported = ("mnist-report", "figure") if id == "B1" else ("schilling", "figure, 32 to 1,024")
    return Claim(id, paper, sentence, reported, measure, effect)


_SMALL = "Batch normalization gets much worse as the batch gets small."

CLAIMS = (
    _claim("B1", _SMALL, "test accuracy of BN, batch 64 minus the small batch, points", _loss_of_accuracy),
    _claim("B1", _SMALL, "test loss of BN, the small batch minus batch 64", _rise_of_loss),
    _claim(
        "B1",
        "It suffers more than the base model does.",
        "the same drop in accuracy, BN's minus the base model's, points",
        _more_than_base,
    ),
    _claim(
        "B1",
        "One cause: the noise of small batches spoils the training itself.",
        "accuracy of BN with the population's statistics, batch 64 minus the small batch, points",
        _noise,
    ),
    _claim(
        "B1",
        "Another cause: moving averages are a poor guide to the population.",
        "accuracy of BN, with the population's statistics minus with moving averages, points",
        _lag,
    ),
    _claim(
        "S7",
        "Batch normalization is ahead at every batch size from 32 to 1,024.",
        "lead of BN over the base model where it is smallest, points",
        _ahead_everywhere,
    ),
    _claim(
        "S7",
        "From 32 to 1,024, smaller batches are better for both models.",
        "test accuracy at the smallest minus at the largest batch, in the model that gains less, points",
        _smaller_is_better,
    ),
)


def figures(tables):
    """Figures of the study: accuracy and loss against batch size, and the three ways of inference."""
    from bnkeras.plots import batches as plots

    epochs = tables["epochs"]
    source = _common.describe(epochs)
    moving = epochs[epochs.inference == MOVING]
    return {
        "accuracy": plots.against_batch_size(moving, "test_accuracy", _READINGS, source, RANGES),
        "loss": plots.against_batch_size(moving, "test_loss", _READINGS, source),
        "inference": plots.ways_of_inference(epochs[epochs.normalization == "bn"], _READINGS, source),
    }

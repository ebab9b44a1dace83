"""Batch sizes from 1 to 1,024 on MNIST, with and without batch normalization: claim B1.

A course report looks at batches of 1 to 64 and finds that small ones ruin batch normalization (BN). Here the network
of `mnist_sigmoid` is trained at batches of 1 to 1,024, with equal epochs and with equal steps, with one learning rate
for all batch sizes and with one in proportion to the batch size.

    python -m bnkeras run batch_size --scale paper --publish

Two things can go wrong with a small batch under BN: its noisy statistics may spoil the training, or the moving
averages may be a poor guide to the population at inference. Each network is therefore tested three times: with its
moving averages, with the population's statistics estimated anew, and with the own statistics of test batches of the
training's size. Scales: `quick` the headline on a sample; `laptop` on 10,000 images, `paper` on all of them (two hours
of a core for each hundred runs).
"""

from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.batch_size.claims import ACTIVATION, CLAIMS, RATE, REFERENCE, RULE, SMALL, STDDEV
from bnkeras.studies.batch_size.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {"data": "mnist_sample", "images": 2_000, "epochs": 10, "steps": 300, "sizes": (), "seeds": 0},
    "laptop": {
        "data": "mnist",
        "images": 10_000,
        "epochs": 10,
        "steps": 1_000,
        "sizes": (1, 2, 4, 8, 16, 32, 64, 256, 1024),
        "seeds": 5,
    },
    "paper": {
        "data": "mnist",
        "images": 60_000,
        "epochs": 10,
        "steps": 10_000,
        "sizes": (1, 2, 3, 4, 8, 16, 32, 64, 256, 1024),
        "seeds": 10,
    },
}
NORMALIZATIONS = ("none", "bn")
RULES = ("fixed", "scaled")
MAP_IMAGES, MAP_STEPS = 10_000, 1_000
MAP_RATES = (0.05, 0.15, RATE, 1.5, 5.0)
MAP_STDDEVS = (STDDEV, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        images: Number of training images, the first of the set.
        normalization: `"none"` or `"bn"`.
        activation: Of the hidden layers.
        stddev: Standard deviation of the initial weights.
        batch_size: Examples in a step; a smaller last batch is left out.
        rule: `"fixed"`, the learning rate is `rate` at all batch sizes, or `"scaled"`, `rate * batch_size / 64`.
        rate: Learning rate of plain SGD at batches of 64.
        epochs: Passes over the training images at the first checkpoint.
        steps: Training steps at the second.
        seed: Of the weights and the batch order.
    """

    study: ClassVar[str] = "batch_size"

    data: str
    images: int
    normalization: str
    activation: str
    stddev: float
    batch_size: int
    rule: str
    rate: float
    epochs: int
    steps: int
    seed: int

    def train(self):
        """Train and return the table `epochs` as a list of rows: one per checkpoint and way of inference."""
        sweep.start_keras()
        from bnkeras import datasets, models, training

        data = datasets.prepared(self.data, self.images)
        learning_rate = self.rate * (self.batch_size / REFERENCE if self.rule == "scaled" else 1)
        form = (self.normalization, self.activation, self.stddev)
        model = models.renewed(build, form, seed=self.seed, learning_rate=learning_rate)
        budgets = {"epochs": self.epochs * (len(data.x_train) // self.batch_size), "steps": self.steps}
        with training.batches_of_one():
            rows = training.train_and_test(
                model,
                data.arrays,
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=self.seed,
                at=set(budgets.values()),
                own_batch_size=self.batch_size,
            )
        return {"source": data.source, "epochs": training.by_budget(rows, budgets)}


def build(normalization, activation, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.mlp((28, 28), 10, normalization, activation=activation, stddev=stddev, seed=seed)


def runs(scale, seeds=None):
    """The runs of a scale, those that share compiled programs one after the other.

    The headline's; all batch sizes with and without BN, under both rules; and the headline's two sizes over initial
    deviations, learning rates and activations, on fewer images.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    explored = range(settings["seeds"])
    budget = tuple(settings[name] for name in ("data", "images", "epochs", "steps"))
    usual = (ACTIVATION, STDDEV)
    result = _runs(budget, ("bn",), [usual], (SMALL, REFERENCE), (RULE,), (RATE,), headline_seeds(CLAIMS, seeds))
    result += _runs(budget, NORMALIZATIONS, [usual], settings["sizes"], RULES, (RATE,), explored)
    if explored:
        forms = [(activation, stddev) for activation in (ACTIVATION, "relu") for stddev in MAP_STDDEVS]
        smaller = (settings["data"], MAP_IMAGES, settings["epochs"], MAP_STEPS)
        result += _runs(smaller, ("bn",), forms, (SMALL, REFERENCE), (RULE,), MAP_RATES, explored)
    return list(dict.fromkeys(result))


def _runs(budget, normalizations, forms, sizes, rules, rates, seeds):
    data, images, epochs, steps = budget
    return [
        Run(data, images, normalization, *form, size, rule, rate, epochs, steps, seed)
        for normalization in normalizations
        for form in forms
        for size in sizes
        for rule in rules
        for rate in rates
        for seed in seeds
    ]

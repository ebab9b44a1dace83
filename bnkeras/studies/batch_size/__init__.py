"""Batch sizes from 1 to 1,024 on MNIST, with and without batch normalization: claims B1 and S7.

One paper looks at batches of 1 to 64 and finds that small ones ruin batch normalization (BN), another at 32 to 1,024
and finds it ahead at all of them. Here both ranges lie on one curve, for the network of `mnist_sigmoid`, at equal
epochs and at equal steps, with one learning rate for all batch sizes and with one in proportion to the batch size.

    python -m bnkeras run batch_size --scale laptop --publish

Two things can go wrong with a small batch under BN: its noisy statistics may spoil the training, or the moving
averages may be a poor guide to the population at inference. Each network is therefore tested three times: with its
moving averages, with the population's statistics estimated anew, and with the own statistics of test batches of the
training's size. Scales: `quick` on a sample with four batch sizes; `laptop` 10,000 images, nine batch sizes; `paper`
all images, fifteen.
"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.studies.batch_size.claims import CLAIMS
from bnkeras.studies.batch_size.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {
        "data": "mnist_sample",
        "images": 2_000,
        "batch_sizes": (1, 4, 64, 256),
        "epochs": 5,
        "steps": 500,
        "seeds": 3,
    },
    "laptop": {
        "data": "mnist",
        "images": 10_000,
        "batch_sizes": (1, 2, 4, 8, 16, 32, 64, 256, 1024),
        "epochs": 10,
        "steps": 1_000,
        "seeds": 5,
    },
    "paper": {
        "data": "mnist",
        "images": 60_000,
        "batch_sizes": (1, 2, 3, 4, 5, 6, 8, 10, 16, 32, 64, 128, 256, 512, 1024),
        "epochs": 10,
        "steps": 10_000,
        "seeds": 5,
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
        data: Name of the data set.
        images: Number of training images, the first of the set.
        normalization: `"none"` or `"bn"`.
        batch_size: Examples in a step; a smaller last batch is left out.
        rule: `"fixed"`, learning rate 0.5 for all, or `"scaled"`, 0.5 * batch size / 64.
        learning_rate: Of plain SGD.
        epochs: Passes over the training images at the first checkpoint.
        steps: Training steps at the second.
        seed: Of the weights and the batch order.
        stddev: Standard deviation of the initial weights.
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
    stddev: float = 0.05

    def train(self):
        """Train and return the table `epochs` as a list of rows: one per checkpoint and way of inference."""
        sweep.start_keras()
        from bnkeras import datasets, models, training

        data = datasets.images(self.data, self.images)
        model = models.renewed(
            build, (self.normalization, self.stddev), seed=self.seed, learning_rate=self.learning_rate
        )
        budgets = {"epochs": self.epochs * (len(data.x_train) // self.batch_size), "steps": self.steps}
        with warnings.catch_warnings():
            # A batch of one is an object of study here.
            warnings.filterwarnings("ignore", message=".*takes its statistics from one value per channel")
            rows = training.train_and_test(
                model,
                (data.x_train, data.y_train, data.x_test, data.y_test),
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=self.seed,
                at=tuple(budgets.values()),
                outputs=training.outputs_by_inference(data.x_train, data.x_test, self.batch_size),
            )
        rows = [{"budget": name, **row} for name, step in budgets.items() for row in rows if row["step"] == step]
        return {"source": data.source, "epochs": rows}


def build(normalization, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.mlp((28, 28), 10, normalization, stddev=stddev, seed=seed)


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
        )
        for normalization in NORMALIZATIONS
        for batch_size in settings["batch_sizes"]
        for rule in RULES
        for seed in range(settings["seeds"])
    ]

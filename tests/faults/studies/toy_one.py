"""A study that trains nothing, in no time: claim Y1."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import last_epoch, paired
from bnkeras.evidence.seeds import headline_seeds

SCALES = {"quick": {"data": "mnist_sample", "epochs": 2}, "laptop": {"data": "mnist", "epochs": 3}}


@dataclass(frozen=True)
class Run:
    """What it does, beside learning, `TOY` in the environment says: `pause`, `raise` or `diverge`."""

    data: str
    normalization: str
    epochs: int
    seed: int
    study: ClassVar[str] = "toy_one"

    def train(self):
        does = os.environ.get("TOY", "")
        if does == "raise":
            raise ArithmeticError("no luck")
        time.sleep(0.2 if does == "pause" else 0)
        lead = float("nan") if does == "diverge" else 0.1 * (self.normalization == "bn") + 0.001 * (self.seed % 7)
        rows = [{"epoch": epoch, "test_accuracy": lead + 0.1 * epoch} for epoch in range(1, 1 + self.epochs)]
        return {"epochs": rows, "auc": [{"class": "a", "auc": lead}], "source": "toys"}


def lead(tables):
    epochs = last_epoch(tables["epochs"], ("normalization", "seed"))
    return paired(epochs.assign(points=100 * epochs.test_accuracy), "points", "normalization", "bn", "none")


HEADLINE = Measure("test accuracy, BN minus base", lead, "points", 1)
CLAIMS = (Claim("Y1", "toys", "Toys learn faster.", "figure", HEADLINE, plain=("They do.", "They don't.", "No.")),)


def runs(scale, seeds=None):
    seeds = headline_seeds(CLAIMS, seeds)
    return [Run(normalization=kind, seed=seed, **SCALES[scale]) for seed in seeds for kind in ("none", "bn")]


def figures(results):
    from bnkeras import plots

    return {"accuracy": plots.lines(results.tables["epochs"], "epoch", "test_accuracy", caption="toys")}

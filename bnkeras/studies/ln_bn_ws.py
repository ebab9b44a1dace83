"""Layer normalization, weight standardization and batch normalization over batch sizes: claims B2 to B6, F1, F2.

The sigmoid network of `mnist_sigmoid` without normalization, with batch (BN), layer (LN), group (GN) or ghost batch
normalization, and with the hidden layers' weights standardized (WS), alone or under BN; on MNIST and on BNG(glass),
with equal epochs.

    python -m bnkeras run ln_bn_ws --scale laptop --publish

No single learning rate suits all of them, so each takes two, and a claim compares every kind at the better of its two
for that batch size (by mean test accuracy over seeds). For the question of correlated features, LN and BN also see the
features of BNG(glass) decorrelated, and with a common part added to all of them.
Scales: `quick` on the stand-ins with two batch sizes; `laptop` 4,000 training examples, batch sizes 1 to 256; `paper`
20,000 examples, eleven batch sizes up to 1,024.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from bnkeras.claims import Claim
from bnkeras.studies import _batches, _common, _features, _reuse
from bnkeras.studies import _comparison as compare

SCALES = {
    "quick": {
        "data": ("mnist_sample", "bng_glass_sample"),
        "examples": 1_000,
        "learning_rates": (0.5,),
        "batch_sizes": (4, 64),
        "epochs": 5,
        "seeds": 3,
        "jit": False,
    },
    "laptop": {
        "data": ("mnist", "bng_glass"),
        "examples": 4_000,
        "learning_rates": (0.05, 0.5),
        "batch_sizes": (1, 2, 4, 7, 10, 64, 256),
        "epochs": 10,
        "seeds": 5,
        "jit": True,
    },
    "paper": {
        "data": ("mnist", "bng_glass"),
        "examples": 20_000,
        "learning_rates": (0.05, 0.5),
        "batch_sizes": (1, 2, 3, 4, 5, 6, 8, 10, 64, 256, 1024),
        "epochs": 10,
        "seeds": 5,
        "jit": True,
    },
}
NORMALIZATIONS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
GROUP_SIZE = 16


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: name of the data set.
        examples: number of training examples.
        features: `"as they are"` for images; for glass `"standardized"`, `"decorrelated"` or `"correlated"`.
        normalization: a kind of `models.mlp`.
        batch_size: examples a step; a smaller last batch is left out.
        learning_rate: of plain SGD.
        epochs: passes over the training examples.
        seed: of the weights and the batch order, and for glass of the split.
        jit: whether XLA compiles the training, which is sooner for thousands of steps.
        stddev: standard deviation of the initial weights.
    """

    study: ClassVar[str] = "ln_bn_ws"

    data: str
    examples: int
    features: str
    normalization: str
    batch_size: int
    learning_rate: float
    epochs: int
    seed: int
    jit: bool
    stddev: float = 0.05

    def train(self):
        """Train and return the tables `epochs` (a row per way of inference) and, for glass, `correlation`."""
        _common.start_keras()
        if self.features == "as they are":
            *data, source = _batches.images(self.data, self.examples)
            tables = {}
        else:
            data, source, correlation = _features.table(self.data, self.examples, self.features, self.seed)
            tables = {"correlation": [{"mean_correlation": correlation}]}
        classes = int(max(data[1].max(), data[3].max())) + 1
        group_size = GROUP_SIZE if self.normalization == "ghost_bn" else None
        model = _reuse.network(self, data[0].shape[1:], classes, group_size)
        rows = _batches.train(model, data, self, _batches.inferences(data[0], data[2]))
        return {"epochs": [{**row, "source": source} for row in rows], **tables}


def runs(scale):
    """The runs of a scale, those that share compiled programs one after the other.

    Ghost batches need whole groups, so they are trained at multiples of 16 alone; elsewhere they are ordinary batches.
    """
    settings = SCALES[scale]
    images, table = settings["data"]
    return [
        Run(data, settings["examples"], features, kind, size, rate, settings["epochs"], seed, settings["jit"])
        for data, levels in ((images, ("as they are",)), (table, _features.LEVELS))
        for kind in NORMALIZATIONS
        for size in settings["batch_sizes"]
        if kind != "ghost_bn" or size % GROUP_SIZE == 0
        for features in levels
        if features in ("as they are", "standardized") or (kind in ("bn", "ln") and size in correlated_sizes(settings))
        for rate in settings["learning_rates"]
        for seed in range(settings["seeds"])
    ]


def correlated_sizes(settings):
    """The batch sizes at which features are decorrelated and correlated: the two around 10 and 64."""
    sizes = settings["batch_sizes"]
    return [max(size for size in sizes if size <= 10), max(size for size in sizes if size <= 64)]


def _claim(id, sentence, measure, effect, reported="figure"):
    return Claim(id, "mnist-report", sentence, reported, measure, effect)


CLAIMS = (
    _claim(
        "B2",
        "Layer normalization beats batch normalization.",
        "test accuracy, LN minus BN, points",
        compare.difference("ln", "bn"),
    ),
    _claim(
        "B2",
        "Most of all at small batches.",
        "lead of LN, small batches minus large, points",
        compare.most_of_all_small,
    ),
    _claim(
        "B3",
        "Weight standardization alone is worse than batch normalization.",
        "test accuracy, BN minus WS, points",
        compare.difference("bn", "ws"),
    ),
    _claim(
        "B4",
        "Weight standardization alone is steadier over batch sizes.",
        "standard deviation of accuracy over all batch sizes, BN minus WS, points",
        compare.steadier,
    ),
    _claim(
        "B5",
        "Both together do not mend batch normalization's failure at small batches.",
        "test accuracy of WS + BN, batch 64 minus the small batch, points",
        compare.not_mended,
    ),
    _claim(
        "B6",
        "Both together are the best of all models.",
        "test accuracy at the best batch size, WS + BN minus the best of none, BN, LN and WS, points",
        compare.best_of_all,
    ),
    _claim(
        "F1",
        "At batch sizes from 1 to 10, WS + BN is ahead of WS.",
        "test accuracy, WS + BN minus WS, points",
        compare.ws_bn_at_each,
        "open question",
    ),
    _claim(
        "F2",
        "On BNG(glass), layer normalization is ahead of batch normalization.",
        "test accuracy, LN minus BN, points",
        compare.ln_by_features,
        "open question",
    ),
    _claim(
        "F2",
        "The more so, the more the features are correlated.",
        "lead of LN over BN, correlated minus decorrelated features, points",
        compare.more_when_correlated,
        "open question",
    ),
)


def figures(tables):
    """Figures of the study: all kinds at their better rate, WS and BN at small batches, correlated features."""
    from bnkeras.plots import batches as plots

    source = _common.describe(tables["epochs"])
    accuracy = pd.concat([_long(tables, inference) for inference in (_batches.MOVING, _batches.POPULATION)])
    plain = accuracy[accuracy.features.isin(["as they are", "standardized"])]
    moving = accuracy[accuracy.inference == _batches.MOVING]
    small = plain[plain.normalization.isin(["bn", "ws", "ws_bn"]) & (plain.batch_size <= compare.SMALL_RANGE)]
    glass = moving[(moving.features != "as they are") & moving.normalization.isin(["bn", "ln"])]
    on_glass = _common.describe(tables["epochs"].query("features != 'as they are'"))
    correlation = tables["correlation"].groupby("features")["mean_correlation"].mean()
    panels = ["inference", "data"]
    return {
        "accuracy": plots.against_batch_size(plain, "test_accuracy", panels, source),
        "small": plots.against_batch_size(small, "test_accuracy", panels, source),
        "features": plots.lead_by_features(glass, correlation[list(_features.LEVELS)], on_glass),
    }


def _long(tables, inference):
    """Accuracies at the better rate, a row each, kinds in their order."""
    wide = compare.at_better_rate(tables["epochs"], inference)
    wide = wide.reindex(columns=[kind for kind in NORMALIZATIONS if kind in wide], level="normalization")
    points = wide.stack(["normalization", "batch_size"], future_stack=True).dropna()
    table = (points / 100).rename("test_accuracy").reset_index().assign(inference=inference)
    return table.sort_values("normalization", key=lambda kinds: kinds.map(NORMALIZATIONS.index), kind="stable")

"""Layer normalization, weight standardization and batch normalization over batch sizes: claims B2 to B6, F1, F2.

The sigmoid network of `mnist_sigmoid` without normalization, with batch (BN), layer (LN), group (GN) or ghost batch
normalization, and with the hidden layers' weights standardized (WS), alone or under BN; on MNIST and on BNG(glass).

    python -m bnkeras run ln_bn_ws --scale laptop --publish

No single learning rate suits all of them, so each takes seven, and a claim compares every kind at the rate that is
best for it at that batch size on a tenth of the training examples, which are not trained on. Standardized weights
start at the scale of the other kernels. For the question of correlated features, LN and BN also see the features of
BNG(glass) decorrelated, and with a common part added to all of them.
The map over what the report leaves out compares them again on images for other initial deviations, and with ReLU.
Scales: `quick` on a sample, with two batch sizes; `laptop` 4,000 training examples (five hours of a core, and one for
each seed of the map).
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.ln_bn_ws.claims import CLAIMS
from bnkeras.studies.ln_bn_ws.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {
        "images": "mnist_sample",
        "table": None,
        "examples": 600,
        "rates": (0.3, 1.0),
        "sizes": (2, 64),
        "epochs": 8,
        "steps": 0,
        "explored": (),
        "map_seeds": 0,
    },
    "laptop": {
        "images": "mnist",
        "table": "bng_glass",
        "examples": 4_000,
        "rates": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        "sizes": (1, 2, 4, 7, 10, 64, 256),
        "epochs": 10,
        "steps": 2_000,
        "explored": ("gn", "ghost_bn"),
        "map_seeds": 3,
    },
}
NORMALIZATIONS = ("none", "bn", "ln", "ws", "ws_bn")
PIXELS = "as they are"
FEATURES = ("decorrelated", "standardized", "correlated")
CORRELATED_SIZES = (10, 64)
TABLE_SIZES = MAP_SIZES = (2, 10, 64, 256)
GROUP_SIZE = 16
ACTIVATION, STDDEV = "sigmoid", 0.05
MAP_ACTIVATIONS, MAP_STDDEVS = (ACTIVATION, "relu"), (STDDEV, 0.2, 0.8)


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        examples: Number of training examples, a tenth of them for validation.
        features: `"as they are"` for images; for glass `"standardized"`, `"decorrelated"` or `"correlated"`.
        normalization: A kind of `models.mlp`.
        batch_size: Examples in a step; a smaller last batch is left out.
        learning_rate: Of plain SGD.
        epochs: Passes over the training examples at the first checkpoint.
        steps: Training steps at the second; 0 for none.
        seed: Of the weights and the batch order, and for glass of the split.
        ws_scale: Standard deviation of standardized kernels, as they are used.
        activation: Of the hidden layers.
        stddev: Standard deviation of the initial weights.
    """

    study: ClassVar[str] = "ln_bn_ws"

    data: str
    examples: int
    features: str
    normalization: str
    batch_size: int
    learning_rate: float
    epochs: int
    steps: int
    seed: int
    ws_scale: float = STDDEV
    activation: str = ACTIVATION
    stddev: float = STDDEV

    def train(self):
        """Train and return the table `epochs`, a row per checkpoint and way of inference, and `mean_correlation`."""
        sweep.start_keras()
        from bnkeras import models, training

        data, correlation = _data(self.data, self.examples, self.features, self.seed)
        x, y, x_test, y_test = data.arrays
        count = len(x) - len(x) // 10
        form = (self.normalization, x.shape[1:], len(data.class_names), self.ws_scale, self.activation, self.stddev)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate)
        budgets = {"epochs": self.epochs * (count // self.batch_size), "steps": self.steps}
        with training.batches_of_one():
            rows = training.train_and_test(
                model,
                (x[:count], y[:count], x_test, y_test),
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=self.seed,
                at={step for step in budgets.values() if step},
                validation=(x[count:], y[count:]),
            )
        epochs = training.by_budget(rows, budgets)
        return {"source": data.source, "mean_correlation": correlation, "epochs": epochs}


def _data(name, examples, features, seed):
    """A `SplitData`, and the mean correlation of its features where it is a table."""
    from bnkeras import datasets

    if features == PIXELS:
        return datasets.prepared(name, examples), None
    data = datasets.prepared_table(name, examples, features, seed)
    return data, datasets.mean_correlation(data.x_train)


def build(normalization, input_shape, classes, ws_scale, activation, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    group_size = GROUP_SIZE if normalization == "ghost_bn" else None
    options = {"activation": activation, "stddev": stddev, "group_size": group_size, "ws_scale": ws_scale}
    return models.mlp(input_shape, classes, normalization, **options, seed=seed)


def runs(scale, seeds=None):
    """The runs of a scale, those that share compiled programs one after the other.

    Ghost batches need whole groups, so they are trained at multiples of 16 alone; elsewhere they are ordinary batches.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    on_images = headline_seeds([claim for claim in CLAIMS if claim.id != "F2"], seeds)
    first = headline_seeds([])
    images, table = (settings["images"], PIXELS), (settings["table"], "standardized")
    result = _runs(settings, *images, NORMALIZATIONS, settings["sizes"], on_images)
    result += _runs(settings, *images, settings["explored"], settings["sizes"], first)
    if settings["table"]:
        result += _runs(settings, *images, ("ws",), settings["sizes"], first, ws_scale=1.0)
        result += _runs(settings, *table, NORMALIZATIONS, TABLE_SIZES, first)
        for features in FEATURES:
            chosen = headline_seeds(["F2"], seeds)
            result += _runs(settings, table[0], features, ("bn", "ln"), CORRELATED_SIZES, chosen)
    for activation, stddev in itertools.product(MAP_ACTIVATIONS, MAP_STDDEVS):
        form = {"activation": activation, "stddev": stddev, "ws_scale": stddev, "steps": 0}
        result += _runs(settings, *images, NORMALIZATIONS, MAP_SIZES, range(settings["map_seeds"]), **form)
    return list(dict.fromkeys(result))


def _runs(settings, data, features, kinds, sizes, seeds, **options):
    options = {name: settings[name] for name in ("examples", "epochs", "steps")} | options
    return [
        Run(data, features=features, normalization=kind, batch_size=size, learning_rate=rate, seed=seed, **options)
        for kind in kinds
        for size in sizes
        if kind != "ghost_bn" or size % GROUP_SIZE == 0
        for rate in settings["rates"]
        for seed in seeds
    ]

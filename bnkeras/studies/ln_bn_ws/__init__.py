"""Layer normalization, weight standardization and batch normalization over batch sizes: claims B2 to B6, F1, F2.

The sigmoid network of `mnist_sigmoid` without normalization, with batch (BN), layer (LN), group (GN) or ghost batch
normalization, and with the hidden layers' weights standardized (WS), alone or under BN; on MNIST and on BNG(glass),
with equal epochs.

    python -m bnkeras run ln_bn_ws --scale laptop --publish

No single learning rate suits all of them, so each takes two, and a claim compares every kind at the better of its two
for that batch size (by mean test accuracy over seeds). For the question of correlated features, LN and BN also see the
features of BNG(glass) decorrelated, and with a common part added to all of them.
Scales: `quick` on samples with two batch sizes; `laptop` 4,000 training examples, batch sizes 1 to 256; `paper` 20,000
examples, eleven batch sizes up to 1,024.
"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.studies.ln_bn_ws.claims import CLAIMS
from bnkeras.studies.ln_bn_ws.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {
        "data": ("mnist_sample", "bng_glass_sample"),
        "examples": 2_000,
        "learning_rates": (0.5,),
        "batch_sizes": (4, 64),
        "epochs": 10,
        "seeds": 3,
    },
    "laptop": {
        "data": ("mnist", "bng_glass"),
        "examples": 4_000,
        "learning_rates": (0.05, 0.5),
        "batch_sizes": (1, 2, 4, 7, 10, 64, 256),
        "epochs": 10,
        "seeds": 5,
    },
    "paper": {
        "data": ("mnist", "bng_glass"),
        "examples": 20_000,
        "learning_rates": (0.05, 0.5),
        "batch_sizes": (1, 2, 3, 4, 5, 6, 8, 10, 64, 256, 1024),
        "epochs": 10,
        "seeds": 5,
    },
}
NORMALIZATIONS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
PIXELS = "as they are"
FEATURES = ("decorrelated", "standardized", "correlated")
GROUP_SIZE = 16
TEST_ROWS = 20_000


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        examples: Number of training examples.
        features: `"as they are"` for images; for glass `"standardized"`, `"decorrelated"` or `"correlated"`.
        normalization: A kind of `models.mlp`.
        batch_size: Examples in a step; a smaller last batch is left out.
        learning_rate: Of plain SGD.
        epochs: Passes over the training examples.
        seed: Of the weights and the batch order, and for glass of the split.
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
    seed: int
    stddev: float = 0.05

    def train(self):
        """Train and return the table `epochs`, a row per way of inference, and the features' `mean_correlation`."""
        sweep.start_keras()
        from bnkeras import models, training

        data, about = _data(self.data, self.examples, self.features, self.seed)
        classes = int(max(data[1].max(), data[3].max())) + 1
        form = (self.normalization, data[0].shape[1:], classes, self.stddev)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate)
        with warnings.catch_warnings():
            # A batch of one is an object of study here.
            warnings.filterwarnings("ignore", message=".*takes its statistics from one value per channel")
            rows = training.train_and_test(
                model,
                data,
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=self.seed,
                at=(self.epochs * (len(data[0]) // self.batch_size),),
                outputs=training.outputs_by_inference(data[0], data[2]),
            )
        return {**about, "epochs": rows}


def _data(name, examples, features, seed):
    from bnkeras import datasets

    if features == PIXELS:
        data = datasets.images(name, examples)
        return (data.x_train, data.y_train, data.x_test, data.y_test), {"source": data.source, "mean_correlation": None}
    table = datasets.load(name)
    test_size = min(TEST_ROWS, len(table.y) - examples)
    x_train, y_train, x_test, y_test = datasets.stratified_split(table, test_size=test_size, seed=seed)
    x_train, x_test = datasets.standardize(x_train[:examples], x_test, feature_names=table.feature_names)
    x_train, x_test = datasets.recorrelate(x_train, x_test, features)
    source = f"{table.source}, {examples:,} of them for training"
    correlation = datasets.mean_correlation(x_train)
    return (x_train, y_train[:examples], x_test, y_test), {"source": source, "mean_correlation": correlation}


def build(normalization, input_shape, classes, stddev, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    group_size = GROUP_SIZE if normalization == "ghost_bn" else None
    return models.mlp(input_shape, classes, normalization, stddev=stddev, group_size=group_size, seed=seed)


def runs(scale):
    """The runs of a scale, those that share compiled programs one after the other.

    Ghost batches need whole groups, so they are trained at multiples of 16 alone; elsewhere they are ordinary batches.
    """
    settings = SCALES[scale]
    images, table = settings["data"]
    return [
        Run(data, settings["examples"], features, kind, size, rate, settings["epochs"], seed)
        for data, levels in ((images, (PIXELS,)), (table, FEATURES))
        for kind in NORMALIZATIONS
        for size in settings["batch_sizes"]
        if kind != "ghost_bn" or size % GROUP_SIZE == 0
        for features in levels
        if features in (PIXELS, "standardized") or (kind in ("bn", "ln") and size in correlated_sizes(settings))
        for rate in settings["learning_rates"]
        for seed in range(settings["seeds"])
    ]


def correlated_sizes(settings):
    """The batch sizes at which features are decorrelated and correlated: the two around 10 and 64."""
    sizes = settings["batch_sizes"]
    return [max(size for size in sizes if size <= 10), max(size for size in sizes if size <= 64)]

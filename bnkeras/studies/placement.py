"""Where to put batch normalization in a convolutional network: claims T1 to T6.

Tang & Fong train three networks of blocks [convolution, ReLU, max-pooling] on faces of three people and on CIFAR-10:
SGD with Nesterov momentum 0.9, mini-batches of 32, 40 epochs; without batch normalization, with it after every block,
and with it after one block alone.

    python -m bnkeras run placement --scale laptop --publish

Reported: table 1, which network trains at which learning rate; table 2, 99.83, 99.53, 97.79 and 87.40 % on faces with
the layer after block 1, 2, 3 and 4. Their photos are private, so faces of a public set stand in for them.
Scales: `quick` narrow networks on drawn pictures; `laptop` the networks in full on faces reduced to 32x32 and on a part
of CIFAR-10; `paper` faces of 64x64 and all of CIFAR-10. On a GPU `paper` can go in pieces, such as of ten minutes:
stopped at any time (`timeout --signal=INT 600 ...`), the same command goes on, and loses the runs in flight alone.
"""

from dataclasses import dataclass
from typing import ClassVar

from bnkeras.studies import _common, _placement, _placement_claims, _reuse
from bnkeras.studies import _placement_effects as effects

SCALES = {
    "quick": {
        "faces": {"data": "faces_drawn", "pixels": 32, "epochs": 12, "width": 8},
        "cifar10": {"data": "cifar10_drawn", "pixels": 32, "epochs": 6, "width": 8},
        "seeds": (3, 3, 3),
        "rates": (0.01,),
        "wider_rates": (),
        "options": False,
    },
    "laptop": {
        "faces": {"data": "faces", "pixels": 32, "epochs": 40},
        "cifar10": {"data": "cifar10", "pixels": 32, "epochs": 10, "examples": 10_000, "test_examples": 4_000},
        "seeds": (6, 3, 12),
        "rates": (0.01, 0.02, 0.04),
        "wider_rates": (0.08, 0.16),
        "options": True,
    },
    "paper": {
        "faces": {"data": "faces", "pixels": 64, "epochs": 40},
        "cifar10": {"data": "cifar10", "pixels": 32, "epochs": 40},
        "seeds": (6, 6, 12),
        "rates": (0.01, 0.02, 0.04),
        "wider_rates": (0.08, 0.16),
        "options": True,
    },
}
PLACEMENTS = ("none", "block 1", "block 2", "block 3", "block 4", "all")
CLAIMS = _placement_claims.CLAIMS
MOMENTUM = 0.9
DECAY = 1e-6
PROBE_SIZE = 128


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: name of the data set.
        pixels: height and width that images are reduced to, by averaging.
        model: 1, 2 or 3 of `models.tang_fong`.
        placement: `"none"`, `"all"`, or `"block 1"` and so on: the block that batch normalization follows.
        before_pool: whether it stands before the pool of its block.
        augment: whether images are turned, shifted and mirrored by chance.
        learning_rate: of SGD; divided by `1 + 1e-6 * steps` at each epoch.
        epochs: passes over the training images; what is left of them after whole batches sits an epoch out.
        seed: of the weights, the batch order and the augmentation.
        examples, test_examples: how many images, the first, for training and test; `None` for all.
        width: channels of the first block.
        probe: whether to log activations and gradients of each block.
        batch_size: examples a step.
    """

    study: ClassVar[str] = "placement"

    data: str
    pixels: int
    model: int
    placement: str
    before_pool: bool
    augment: bool
    learning_rate: float
    epochs: int
    seed: int
    examples: int | None = None
    test_examples: int | None = None
    width: int = 64
    probe: bool = False
    batch_size: int = 32

    def train(self):
        """Train and return the tables `epochs`, `final` (one row) and, with `probe`, `blocks`."""
        _common.start_keras()
        from bnkeras import training

        *data, source = _placement.images(self.data, self.pixels, self.examples, self.test_examples)
        classes = int(max(data[1].max(), data[3].max())) + 1
        form = (self.model, data[0].shape[1:], classes, self.placement, self.before_pool, self.width)
        model = _reuse.renewed(_placement.build, form, self.seed, self.learning_rate, MOMENTUM)
        callbacks = [_decay(self.learning_rate, len(data[0]) // self.batch_size)]
        probe = _probe(data) if self.probe else None
        augment = training.random_affine() if self.augment else None
        options = {"callbacks": [*callbacks, probe] if probe else callbacks, "augment": augment}
        rows = _common.train(model, data, self, drop_remainder=True, **options)
        rows = [{**row, "source": source} for row in rows]
        tables = {"epochs": rows, "final": [_placement.final_row(model, data, rows[-1])]}
        return tables | ({"blocks": probe.result().to_dict("records")} if probe else {})


def _decay(learning_rate, steps):
    import keras

    return keras.callbacks.LearningRateScheduler(lambda epoch, _: learning_rate / (1 + DECAY * epoch * steps))


def _probe(data):
    from bnkeras import callbacks

    x_train, _, x_test, y_test = data
    spread = slice(None, None, -(-len(x_test) // PROBE_SIZE))
    return callbacks.ActivationStats((x_test[spread], y_test[spread]), every=10 * (len(x_train) // 32))


def runs(scale):
    """The runs of a scale, those that share compiled programs one after the other.

    Model 2 with every placement, base and all also at wider rates; model 1 without and with all; model 3 without, at
    as many seeds as it takes to count failed starts; what table 1 has beyond that; placements with augmentation, and
    before the pool.
    """
    settings = SCALES[scale]
    faces, cifar10, rates = settings["faces"], settings["cifar10"], settings["rates"]
    seeds, cifar10_seeds, start_seeds = settings["seeds"]
    result = [
        *_runs(faces, 2, PLACEMENTS, rates[:1], seeds, probe=True),
        *_runs(faces, 2, PLACEMENTS, rates[1:], seeds),
        *_runs(faces, 2, ("none", "all"), settings["wider_rates"], seeds),
        *_runs(cifar10, 2, PLACEMENTS, rates[:1], cifar10_seeds),
        *_runs(faces, 1, ("none", "all"), rates, seeds),
        *_runs(faces, 3, ("none",), rates, start_seeds),
    ]
    there = {(run.model, run.placement, run.learning_rate) for run in result}
    for model, placement, rate in sorted({row[:3] for row in effects.TABLE_1} - there):
        result += _runs(faces, model, (placement,), (rate,), seeds)
    if settings["options"]:
        result += _runs(faces, 2, PLACEMENTS, rates[:1], seeds, augment=True)
        result += _runs(faces, 2, PLACEMENTS[1:], rates[:1], seeds, before_pool=True)
    return result


def _runs(data, model, placements, rates, seeds, **options):
    options = {"before_pool": False, "augment": False} | data | options
    return [
        Run(model=model, placement=placement, learning_rate=rate, seed=seed, **options)
        for placement in placements
        for rate in rates
        for seed in range(seeds)
    ]


def figures(tables):
    """Figures of the study: learning rates, placements, heat map, convergence, blocks."""
    from bnkeras.plots import placement as plots

    scale = tables["epochs"].scale.iloc[0]
    runs = effects.summary(tables).assign(scale=scale)
    faces, placed = runs[runs.data.str.startswith("faces")], runs[runs.model == 2]
    placed_on_faces = effects.plain(faces, model=2)
    return {
        "learning_rate": plots.against_learning_rate(
            effects.plain(faces), _common.describe(faces, ("source", "model"))
        ),
        "placement": plots.by_placement(placed, effects.TABLE_2, _common.describe(placed)),
        "heat_map": plots.heat_map(placed_on_faces, _common.describe(placed_on_faces)),
        "convergence": plots.convergence(
            effects.plain(tables["epochs"], model=2, learning_rate=0.01), _common.describe(placed)
        ),
        "blocks": plots.by_block(tables["blocks"], _common.describe(placed_on_faces)),
    }

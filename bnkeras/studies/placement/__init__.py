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

from bnkeras import sweep
from bnkeras.devices import processor_computes_in_bfloat16
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.placement.claims import CLAIMS
from bnkeras.studies.placement.effects import BEFORE_POOL, ENDS, HALF, SINGLE, TABLE_1
from bnkeras.studies.placement.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

SCALES = {
    "quick": {
        "faces": {"data": "faces_drawn", "pixels": 32, "epochs": 24, "width": 8},
        "cifar10": None,
        "claims": ("T3", "T5"),
    },
    "laptop": {
        "faces": {"data": "faces", "pixels": 32, "epochs": 40},
        "cifar10": {"data": "cifar10", "pixels": 32, "epochs": 10, "examples": 10_000, "test_examples": 4_000},
        "claims": ("T1", "T2", "T3", "T4", "T5", "T6"),
    },
    "paper": {
        "faces": {"data": "faces", "pixels": 64, "epochs": 40},
        "cifar10": {"data": "cifar10", "pixels": 32, "epochs": 40},
        "claims": ("T1", "T2", "T3", "T4", "T5", "T6"),
    },
}
RATES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
CAP = 40
MOMENTUM = 0.9
DECAY = 1e-6
PROBE_SIZE = 128


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        pixels: Height and width that images are reduced to, by averaging.
        model: 1, 2 or 3 of `models.tang_fong`.
        placement: `"none"`, `"all"`, or `"block 1"` and so on: the block that batch normalization follows.
        before_pool: Whether it stands before the pool of its block.
        augment: Whether images are turned, shifted and mirrored at random.
        learning_rate: Of SGD; divided by `1 + 1e-6 * steps` at each epoch.
        epochs: Passes over the training images; what is left of them after whole batches sits an epoch out.
        seed: Of the weights, the batch order and the augmentation.
        examples, test_examples: How many images, the first, for training and test; `None` for all.
        width: Channels of the first block.
        probe: Whether to log activations and gradients of each block.
        batch_size: Examples in a step.
        dtype: Policy of the layers, `"float32"` or `"mixed_bfloat16"`.
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
    dtype: str = "float32"

    def train(self):
        """Train and return the tables `epochs` and, with `probe`, `blocks`, and the `entropy` of the labels in nats."""
        sweep.start_keras()
        from bnkeras import datasets, models, training

        data = datasets.prepared(self.data, self.examples, self.test_examples, self.pixels)
        shape, classes = data.x_train.shape[1:], len(data.class_names)
        form = (self.model, shape, classes, self.placement, self.before_pool, self.width, self.dtype)
        model = models.renewed(build, form, seed=self.seed, learning_rate=self.learning_rate, momentum=MOMENTUM)
        steps = len(data.x_train) // self.batch_size
        probes = [_probe(data.x_test, data.y_test, 10 * steps)] if self.probe else []
        rows = training.train_and_test(
            model,
            data.arrays,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            all_ways_at=None if self.placement == "all" else {self.epochs * steps},
            callbacks=[_decay(self.learning_rate, steps), *probes],
            augment=training.random_affine() if self.augment else None,
        )
        tables = {"epochs": rows} | ({"blocks": probes[0].result().to_dict("records")} if probes else {})
        return {"source": data.source, "entropy": training.label_entropy(data.y_train), **tables}


def _decay(learning_rate, steps):
    import keras

    return keras.callbacks.LearningRateScheduler(lambda epoch, _: learning_rate / (1 + DECAY * epoch * steps))


def _probe(x, y, every):
    from bnkeras import callbacks

    spread = slice(None, None, -(-len(x) // PROBE_SIZE))
    return callbacks.ActivationStats((x[spread], y[spread]), every=every)


def build(model, input_shape, classes, placement, before_pool, width, dtype, seed):
    """The uncompiled network of a run."""
    from bnkeras import models, training

    with training.precision(dtype):
        return models.tang_fong(model, input_shape, classes, blocks(placement, model), before_pool, width, seed)


def blocks(placement, model):
    """The blocks of `"none"`, `"all"` or `"block 3"`, as `models.tang_fong` takes them."""
    from bnkeras.models.tang_fong import block_count

    if placement in ("none", "all"):
        return tuple(range(1, block_count(model) + 1)) if placement == "all" else ()
    return (int(placement.removeprefix("block ")),)


def runs(scale, seeds=None):
    """The runs of a scale, those that share compiled programs one after the other.

    First the headlines': table 1; single layers as in the authors' notebook, and plain; base and all over the learning
    rates. Then single layers at larger rates, after the pool with augmentation and on CIFAR-10, and model 1 over rates;
    and, where this processor computes in bfloat16, the networks of T3 and T5 once more in half precision.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    faces, judged = settings["faces"], settings["claims"]
    of = {id_: headline_seeds([id_], seeds) if id_ in judged else () for id_ in ("T1", "T2", "T3", "T4", "T5", "T6")}
    result = []
    for model, placement, rate in dict.fromkeys(row[:3] for row in TABLE_1):
        result += _runs(faces, model, (placement,), (rate,), max(of["T1"], of["T6"] if model == 3 else (), key=len))
    for placement in SINGLE:
        result += _runs(faces, 2, (placement,), (0.01,), of["T2"], augment=True, before_pool=placement in BEFORE_POOL)
    result += _runs(faces, 2, SINGLE, (0.01,), of["T3"], probe=True)
    result += _runs(faces, 2, ("none",), (0.01,), of["T5"]) + _runs(faces, 2, ("all",), (0.04,), of["T5"])
    if "T4" in judged:
        first = headline_seeds([])
        result += _runs(faces, 2, ENDS, RATES, of["T4"])
        result += _runs(faces, 2, SINGLE, (0.08, 0.16), first) + _runs(faces, 1, ENDS, RATES[:5], first)
        result += _runs(faces, 3, ("none",), (0.02, 0.04), first)
        result += _runs(faces, 2, SINGLE, (0.01,), first, augment=True)
        result += _runs(settings["cifar10"], 2, SINGLE, (0.01,), first)
        if processor_computes_in_bfloat16():
            half = faces | {"dtype": HALF}
            result += _runs(half, 2, (*SINGLE, "none"), (0.01,), first) + _runs(half, 2, ("all",), (0.04,), first)
    return list(dict.fromkeys(result))


def _runs(data, model, placements, rates, seeds, **options):
    options = {"before_pool": False, "augment": False} | data | options
    return [
        Run(model=model, placement=placement, learning_rate=rate, seed=seed, **options)
        for placement in placements
        for rate in rates
        for seed in seeds
    ]

"""What batch normalization does under eight conditions: claims S1 to S11.

Schilling's thesis trains a multi-layer perceptron (MLP) and a convolutional network (CNN), with batch normalization and
without ("vanilla"), on four sets of images: SGD with Nesterov momentum 0.9 on batches of 64, learning rate 0.01, halved
after 5 epochs without a gain on the validation images, a tenth of those for training, until 20 epochs bring none. From
this baseline it changes activation, learning rate, initial weights, weight decay, dropout or batch size.

    python -m bnkeras run bn_effects --scale laptop --publish

Reported: batch normalization 6 points, vanilla 1; 15 to 20 % more time per epoch. Where slides and public code differ,
the slides are followed; the condition "public code" has its initial weights: Kaiming's without the gain of ReLU, and
gammas from U(0, 1). Scales: `quick` S1 to S3 on drawn pictures with a narrow CNN, and S11; `laptop` the CNN with
half of its channels on the first 5,000 images of each set, the MLP in full on 10,000; `paper` all images and channels.
S8 wants a machine at rest: run `benchmarks/bn_overhead.py` first, whose records this study takes over. `paper` is for a
GPU (`KERAS_BACKEND=jax python -m bnkeras run bn_effects --scale paper --jobs 2 --publish`) and can go in pieces, as of
ten minutes: stopped at any time, the same command goes on, and loses the runs in flight alone.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.evidence.seeds import headline_seeds
from bnkeras.studies.bn_effects.claims import CLAIMS
from bnkeras.studies.bn_effects.effects import BATCH_SIZE, BATCH_SIZES, HIGH_RATE, RATE, SEARCHED, SETS
from bnkeras.studies.bn_effects.figures import figures

__all__ = ["CLAIMS", "CONDITIONS", "SCALES", "Run", "build", "figures", "runs"]

CONDITIONS = {
    "baseline": {},
    "sigmoid": {"activation": "sigmoid", "initializer": "xavier"},
    "N(0, 1)": {"initializer": "normal"},
    "weight decay": {"weight_decay": 5e-4},
    "dropout": {"dropout": 0.5},
    "ELU": {"activation": "elu"},
    "public code": {"initializer": "kaiming, gain 1", "gamma": "uniform"},
    "public code, dropout": {"initializer": "kaiming, gain 1", "gamma": "uniform", "dropout": 0.5},
}
"""What each condition changes of the networks; the learning rate and the batch size are settings of their own."""
REPORT = "report's MLP"
NETWORKS = ("CNN", "MLP", REPORT)
SCALES = {
    "quick": {
        "sets": ("cifar10_drawn",),
        "mnist": "mnist_sample",
        "cnn": {"epochs": 6, "width": 4},
        "mlp": {"examples": 1_000, "epochs": 5},
        "curve": None,
    },
    "laptop": {
        "sets": ("cifar10", "svhn_crops", "mnist", "cifar100_20k"),
        "mnist": "mnist",
        "cnn": {"examples": 5_000, "epochs": 25, "width": 16},
        "mlp": {"examples": 10_000, "epochs": 30},
        "curve": {"examples": 10_000, "epochs": 10},
    },
    "paper": {
        "sets": ("cifar10", "svhn", "mnist", "cifar100"),
        "mnist": "mnist",
        "cnn": {"epochs": 100},
        "mlp": {"epochs": 100},
        "curve": {"epochs": 10},
    },
}
CAP = 20
MOMENTUM = 0.9
REPORT_RATE = 0.5
"""Learning rate of the report's network at batches of 64, as in the study of batch sizes."""
CURVE_SIZES = (1, 2, 4, 8, 16, *BATCH_SIZES)
KINDS = ("none", "bn", "all")
RULES = ("plateaus", "fixed", "scaled", "timed")
TIMED, TIMED_IMAGES, TIMED_ROUNDS = ("none", "bn", "keras_bn"), {"CNN": 1_024, "MLP": 10_240}, 3
PROBED = {"CNN": ("cifar10",), "MLP": SETS["MNIST"]}
PROBED_CONDITIONS = ("baseline", "sigmoid", "dropout")
PROBE_SIZE, LOOKS = 128, 12


@dataclass(frozen=True)
class Run:
    """One network trained once, or networks with different layers timed in turn.

    Attributes:
        data: Name of the data set.
        network: One of `NETWORKS`; `"report's MLP"` is that of the study of batch sizes, trained by plain SGD.
        condition: One of `CONDITIONS`.
        normalization: `"none"` or `"bn"`; `"all"` where networks are timed.
        learning_rate: At the start, and with the rule `"scaled"` at batches of 64.
        batch_size: Examples in a step; examples that fill no batch sit an epoch out.
        rule: `"plateaus"`, the thesis's schedule; `"fixed"`, the learning rate stays; `"scaled"`, it stays at
            `learning_rate * batch_size / 64`; or `"timed"`, for no training but the time that it takes.
        epochs: The most passes over the training images, or as many as there are with a learning rate that stays.
        seed: Of the weights, dropout and the batch order.
        examples: How many images, the first; the last tenth of them is for validation. Defaults to `None`, all.
        width: Channels of the CNN's first block, units of the MLP's hidden layers. Defaults to `None`, the thesis's.
        dtype: Keras's dtype policy. Defaults to `"float32"`.

    Raises:
        ValueError: For a network, condition, normalization or rule that there is not.
    """

    study: ClassVar[str] = "bn_effects"

    data: str
    network: str
    condition: str
    normalization: str
    learning_rate: float
    batch_size: int
    rule: str
    epochs: int
    seed: int
    examples: int | None = None
    width: int | None = None
    dtype: str = "float32"

    def __post_init__(self):
        settings = {"network": NETWORKS, "condition": CONDITIONS, "rule": RULES, "normalization": KINDS}
        for name, known in settings.items():
            if getattr(self, name) not in known:
                raise ValueError(f"`{name}` must be one of {list(known)}. Received: {name}={getattr(self, name)!r}")

    def train(self):
        """Train and return the tables `epochs`, `curves`, `layers` and `shift`, or time and return `overhead`."""
        sweep.start_keras()
        return self._timed() if self.rule == "timed" else self._trained()

    def _trained(self):
        from bnkeras import datasets, models, training

        his = self.network != REPORT
        data, validation = datasets.standardized(self.data, self.examples, 32 if his else None, scaled=his)
        rate = self.learning_rate * (self.batch_size / BATCH_SIZE if self.rule == "scaled" else 1)
        momentum = MOMENTUM if his else 0.0
        model = models.renewed(build, self._form(data), seed=self.seed, learning_rate=rate, momentum=momentum)
        plateaus = training.plateau_callbacks() if self.rule == "plateaus" else []
        probes = [self._probe(validation, len(data.x_train) // self.batch_size)] if self._probed() else []
        with training.batches_of_one():
            rows, curves = training.train_and_validate(
                model,
                data.arrays,
                validation,
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=self.seed,
                callbacks=[*plateaus, *probes],
            )
        tables = {"epochs": rows, "curves": curves if plateaus and self.batch_size == BATCH_SIZE else []}
        tables["layers"] = [row for probe in probes for row in probe.result().to_dict("records")]
        finite = len(rows) > 1  # else there are no statistics of the population
        tables["shift"] = _shift(model, data.x_train) if self._shifts() and finite else []
        tables = {name: rows for name, rows in tables.items() if rows}
        return {"source": data.source, "entropy": training.label_entropy(data.y_train), **tables}

    def _form(self, data, normalization=None):
        shape, classes = data.x_train.shape[1:], len(data.class_names)
        return self.network, shape, classes, self.condition, normalization or self.normalization, self.width, self.dtype

    def _probed(self):
        """Whether to log activations and gradients at each layer along the training."""
        usual = self.rule == "plateaus" and self.batch_size == BATCH_SIZE and self.learning_rate in (RATE, HIGH_RATE)
        return usual and self.data in PROBED.get(self.network, ()) and self.condition in PROBED_CONDITIONS

    def _probe(self, validation, steps):
        from bnkeras import callbacks

        probe = [array[:PROBE_SIZE] for array in validation]
        return callbacks.ActivationStats(probe, every=steps * max(self.epochs // LOOKS, 1))

    def _shifts(self):
        return self._probed() and self.normalization == "bn" and self.condition in ("baseline", "dropout")

    def _timed(self):
        from bnkeras import datasets, training
        from bnkeras.devices import computes_in_bfloat16

        data = datasets.prepared(self.data, self.examples)
        if "bfloat16" in self.dtype and not computes_in_bfloat16():
            return {"source": data.source, "epochs": []}
        networks = {kind: _timed_model(self._form(data, kind)) for kind in TIMED}
        options = {"batch_size": self.batch_size, "jit": True if self.network == "MLP" else "auto"}
        rows = training.epochs_in_turn(networks, data.x_train, data.y_train, TIMED_ROUNDS, **options)
        return {"source": data.source, "epochs": [], "overhead": [{"layer": row.pop("name"), **row} for row in rows]}


def build(network, input_shape, classes, condition, normalization, width, dtype, seed):
    """The uncompiled network of a run."""
    from bnkeras import models

    if network == REPORT:
        return models.mlp(input_shape, classes, normalization, seed=seed)
    function = models.schilling_cnn if network == "CNN" else models.schilling_mlp
    options = CONDITIONS[condition] | ({} if width is None else {"width": width})
    return function(input_shape, classes, normalization, seed=seed, dtype=dtype, **options)


@functools.lru_cache(maxsize=3)
def _timed_model(form):
    import keras

    model = build(*form, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM, nesterov=True), loss, metrics=["accuracy"])
    return model


def _shift(model, x):
    from bnkeras import training
    from bnkeras.statistics import variance_shift

    ways = training.ways_of_inference(model, x)
    return [{"inference": way, **row} for way, _ in ways for row in variance_shift(model, x[:1000])]


def runs(scale, seeds=None):
    """The runs of a scale, those that share compiled programs one after the other.

    First the headlines': the CNN on every set and under conditions, the MLP with sigmoids and over batch sizes, times.
    Then the MLP everywhere; further times; both papers' networks from batch 1 on; the CNN as in the public code, over
    learning rates, on one more set, and over batch sizes.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    sets, curve = settings["sets"], settings["curve"]
    of = {claim.id: _seeds([claim], seeds) for claim in CLAIMS}
    shares = {id_: of[id_] if curve else of[id_][:5] for id_ in ("S2", "S3")}
    cnn = functools.partial(_runs, network="CNN", data=sets[0], **settings["cnn"])
    mnist = functools.partial(_runs, network="MLP", data=settings["mnist"], **settings["mlp"])

    result = [run for name in sets for run in cnn(of["S1"], data=name)]
    result += cnn(shares["S3"], learning_rate=HIGH_RATE) + cnn(shares["S2"], "sigmoid")
    result += mnist(of["S11"], "sigmoid")
    if curve:
        result += cnn(of["S4"], "N(0, 1)")
        result += [run for size in BATCH_SIZES for run in mnist(of["S7"], batch_size=size)]
        result += cnn(of["S9"], "ELU", kinds=("none",)) + cnn(of["S9"], kinds=("bn",))
        result += cnn(of["S5"], "weight decay") + cnn(of["S6"], "dropout")
        result += cnn(of["S6"], "public code, dropout")
        result += _timed_runs(sets[0], of["S8"], ("CNN",), ("float32",), (BATCH_SIZES[0], BATCH_SIZES[-1]))
        result += _explored(sets, cnn, mnist, functools.partial(_runs, data=settings["mnist"], **curve))
    else:
        result.sort(key=lambda run: (run.network, run.condition, run.normalization))  # each network is compiled once
    return list(dict.fromkeys(result))


def _seeds(claims, seeds=None):
    """The seeds of some claims' headlines but for the first, which was looked at while the study was written."""
    usual = headline_seeds(claims, seeds)
    return range(usual.start + 1, usual.stop + 1)


def _explored(sets, cnn, mnist, curve):
    ten = _seeds([])
    changes = [{"condition": name} for name in CONDITIONS] + [{"learning_rate": HIGH_RATE}]
    result = [run for name in sets for change in changes for run in mnist(ten, data=name, **change)]
    result += _timed_runs(sets[0], ten, ("CNN", "MLP"), ("float32", "mixed_bfloat16"), BATCH_SIZES)
    for network, rate in (("MLP", RATE), (REPORT, REPORT_RATE)):
        for rule, size in itertools.product(("fixed", "scaled"), CURVE_SIZES):
            result += curve(ten, network=network, learning_rate=rate, rule=rule, batch_size=size)
    result += [run for change in changes for run in cnn(ten, **change)]
    result += [run for rate in SEARCHED for run in cnn(ten, learning_rate=rate)]
    result += [run for change in changes for run in cnn(ten, data=sets[1], **change)]
    return result + [run for size in BATCH_SIZES for run in cnn(ten, batch_size=size)]


def _runs(seeds, condition="baseline", kinds=("none", "bn"), **settings):
    settings = {"learning_rate": RATE, "batch_size": BATCH_SIZE, "rule": "plateaus"} | settings
    return [Run(condition=condition, normalization=kind, seed=seed, **settings) for kind in kinds for seed in seeds]


def _timed_runs(data, seeds, networks, dtypes, sizes):
    shared, result = {"data": data, "rule": "timed", "epochs": 1, "kinds": ("all",)}, []
    for network, dtype, size in itertools.product(networks, dtypes, sizes):
        of_one = {"network": network, "dtype": dtype, "batch_size": size, "examples": TIMED_IMAGES[network]}
        result += _runs(seeds, **of_one, **shared)
    return result

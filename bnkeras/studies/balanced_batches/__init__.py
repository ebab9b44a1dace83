"""Balanced batches, with one example of each class: claims H1 to H8.

Hajaj & Gillies train residual networks on batches that hold one image of each class, and test them on batches of the
same kind, normalized by their own statistics. To build such test batches takes the test labels: what they and this
study measure then is no accuracy but a leak between examples, made visible.

    python -m bnkeras run balanced_batches --scale laptop --publish

Reported: on CIFAR-10 an error of 4.45 % with training and inference as usual, 4.47 % trained on balanced batches, and
0.97 % tested on them too, for 20 layers (3.89, 3.9 and 0.69 % for 44); on 10, 50 and 100 classes of ImageNet 5.97,
7.3 and 10.1 % against 1.1, 3.32 and 6.74 %. A step here takes many groups, each normalized on its own, which is the
same function of a group.

Scales: `quick` small networks on drawn shapes; `laptop` ResNet-20 and ResNet-34 of width 16, in place of 64 and 96, on
parts of CIFAR-10 and Tiny ImageNet and on crops of 28x28 and 56x56 pixels; `paper` the networks in full, on a GPU. With
`BNKERAS_CHECKPOINTS` set to a folder, a training keeps its state there after each epoch, so that `paper` can go in
pieces, such as of ten minutes (`timeout --signal=INT 600 ...`): the same command goes on.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from bnkeras import sweep
from bnkeras.evidence.seeds import FIRST, headline_seeds
from bnkeras.studies.balanced_batches.claims import CLAIMS
from bnkeras.studies.balanced_batches.effects import BALANCED, RANDOM
from bnkeras.studies.balanced_batches.figures import figures

__all__ = ["CLAIMS", "SCALES", "Run", "build", "figures", "runs"]

_SMALL = {"groups": 5, "pixels": 28, "depth": 20, "width": 16, "learning_rate": 0.05}
_TINY = {"pixels": 56, "depth": 34, "least_area": 0.35, "aspect": 4 / 3}
_DRAWN = {"pixels": 16, "reduced": 16, "depth": 8, "width": 8}
_HALF = {"dtype": "mixed_bfloat16"}
SCALES = {
    "quick": {
        "cifar10": {"data": "cifar10_drawn", "classes": 10, "epochs": 6, **_DRAWN},
        "tiny": {"data": "tiny_imagenet_drawn", **_DRAWN},
        "subsets": {4: {"epochs": 9}, 10: {"epochs": 6}, 20: {"epochs": 5}},
        "explored": {},
    },
    # Steps of 50 images or more, and about 2,000 of them in all, with each number of classes.
    "laptop": {
        "cifar10": {"data": "cifar10", "classes": 10, "per_class": 1000, "test_per_class": 200, "epochs": 8, **_SMALL},
        "tiny": {"data": "tiny_imagenet_100", "width": 16, "learning_rate": 0.05, **_TINY},
        "subsets": {
            10: {"epochs": 40, "groups": 5},
            50: {"epochs": 12, "groups": 1},
            100: {"epochs": 10, "groups": 1},
        },
        "explored": {20: {"epochs": 25, "groups": 2}},
    },
    "paper": {
        "cifar10": {"data": "cifar10", "classes": 10, "groups": 20, "pixels": 36, "padding": 4, "epochs": 100, **_HALF}
        | {"depth": 20, "width": 64, "learning_rate": 0.1},
        "tiny": {"data": "tiny_imagenet", **_TINY, "width": 96, "learning_rate": 0.001, "rho": 0.999, **_HALF}
        | {"groups": 5, "epochs": 100},
        "subsets": {10: {}, 50: {}, 100: {}},
        "explored": {20: {}},
    },
}
OTHER_DEPTH = 44
CAP = 20
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
WARM_UP = 2  # epochs
ROUNDS = 20
SCENES = 4  # of each kind, of the first seed
EARLY = (1, 2, 4)  # epochs
LAYER_IMAGES = 300
AT_ONCE = 1000


@dataclass(frozen=True)
class Run:
    """One network trained once.

    Attributes:
        data: Name of the data set.
        classes: How many of its classes, drawn once.
        batches: Of the training: `"balanced"` or `"random"`.
        epochs: Passes over the training images.
        seed: Of the weights, the batches and the augmentation.
        pixels: Height and width of the crops that the network sees.
        depth, width: Of `models.hajaj_gillies`.
        learning_rate: Of SGD at its largest; it grows over the first epochs and then falls to 0 as a cosine.
        groups: Groups of as many examples as there are classes in a step, each normalized on its own.
        per_class, test_per_class: How many images of each class, the first; `None` for all.
        padding: Rows and columns of zeros around the images before they are cropped.
        reduced: Pixels that images are reduced to beforehand; `None` for all.
        least_area, aspect: Of `training.random_crops`.
        rho: Decay of RMSprop, in place of SGD with momentum 0.9; `None` for SGD.
        dtype: Policy of the layers, `"float32"` or `"mixed_bfloat16"`.
        detail: Whether to measure more than final errors, alone and over crops.
    """

    study: ClassVar[str] = "balanced_batches"

    data: str
    classes: int
    batches: str
    epochs: int
    seed: int
    pixels: int
    depth: int
    width: int
    learning_rate: float = 0.05
    groups: int = 2
    per_class: int | None = None
    test_per_class: int | None = None
    padding: int = 0
    reduced: int | None = None
    least_area: float = 0.64
    aspect: float = 1.0
    rho: float | None = None
    dtype: str = "float32"
    detail: bool = False

    def train(self):
        """Train and return the table `epochs` and what `_measured` returns."""
        sweep.start_keras()
        from bnkeras import training
        from bnkeras.training import progress

        data, path = self._data(), progress.file_of(self)
        x_train = training.centre_crop(data.x_train, self.pixels, self.padding)
        model = self._model(data)
        rows = self._trained(model, x_train, data, path)
        found = {"source": data.source, "epochs": rows} | self._measured(model, x_train, data)
        if path:
            path.unlink()
        return found

    def _data(self):
        from bnkeras import datasets

        data = datasets.subset(self.data, self.classes, self.per_class, self.test_per_class)
        return datasets.prepared(data, pixels=self.reduced) if self.reduced else data

    def _model(self, data):
        from bnkeras import models

        form = (self.depth, self.width, self.pixels, self.classes, self.dtype, data.x_train.dtype.name)
        optimizer = {"learning_rate": self.learning_rate, "momentum": 0.0 if self.rho else MOMENTUM, "rho": self.rho}
        return models.renewed(build, form, seed=self.seed, **optimizer)

    def _trained(self, model, x_train, data, path):
        """Train on random crops and test on the middle ones, in balanced batches where each has its own statistics."""
        from bnkeras import batches, training

        size = self.classes * self.groups
        steps = len(data.y_train) // size
        balanced = batches.balanced_batches(data.y_test).ravel()
        x_test = training.centre_crop(data.x_test[balanced], self.pixels, self.padding)
        area, colour = (self.least_area, 1.0), training.colour_components(data.x_train)
        return training.train_and_test(
            model,
            (data.x_train, data.y_train, x_test, data.y_test[balanced]),
            batch_size=size,
            epochs=self.epochs,
            seed=self.seed,
            all_ways_at={epoch * steps for epoch in self._looked_at()},
            own_batch_size=self.classes,
            statistics_over=x_train,
            resume_from=path,
            order=self._order(data.y_train),
            callbacks=[_schedule(self.learning_rate, self.epochs)],
            augment=training.random_crops(self.pixels, self.padding, area, self.aspect, colour=colour),
        )

    def _looked_at(self):
        """The epochs after which to test by all ways of inference."""
        if not self.detail:
            return [self.epochs]
        return [epoch for epoch in range(1, self.epochs + 1) if 2 * epoch > self.epochs or epoch in EARLY]

    def _order(self, labels):
        from bnkeras import batches, training

        if self.batches == BALANCED:
            options = {"groups": self.groups, "seed": self.seed}
            return lambda epoch: batches.balanced_batches(labels, epoch=epoch, **options)
        size = self.classes * self.groups
        return lambda epoch: training.batch_order(len(labels), size, self.seed, epoch, drop_remainder=True)

    def _measured(self, model, x_train, data):
        """Tables of the trained network, by the population's statistics or by those of each test batch.

        With `detail` `composition` and `travel`; trained on balanced batches `crops`, with both `rounds` and `layers`,
        and for the first seed `scenes`.
        """
        from bnkeras import batches, estimate_population_statistics, training

        estimate_population_statistics(model, x_train, batch_size=min(AT_ONCE, len(x_train)), progress=False)
        crops, labels = list(training.ten_crops(data.x_test, self.pixels, self.padding)), data.y_test
        x, balanced, tables = crops[0], self.batches == BALANCED, {}
        if balanced:
            tables["crops"] = batches.crop_errors(model, crops, labels)
        if self.detail:
            tables["composition"] = batches.composition_errors(model, x, labels)
            tables["travel"] = batches.travel_shares(model, x, labels, seed=self.seed)
        if self.detail and balanced:
            few = batches.balanced_batches(labels)[: LAYER_IMAGES // self.classes].ravel()
            tables["layers"] = batches.layer_errors(model, x[few], labels[few])
            tables["rounds"] = batches.rebalancing(model, x, labels, ROUNDS, self.seed)
            if self.seed == FIRST:
                tables["scenes"] = batches.travel_rows(model, x, labels, SCENES, self.seed)
        return tables


def build(depth, width, pixels, classes, dtype, stored, seed):
    """The uncompiled network of a run, for images `stored` as `"uint8"`, or as floats from 0 to 1."""
    from bnkeras import models, training

    options = {"group_size": classes, "weight_decay": WEIGHT_DECAY, "seed": seed}
    options["rescaling"] = 1 / 255 if stored == "uint8" else None
    with training.precision(dtype):
        return models.hajaj_gillies(depth, width, (pixels, pixels, 3), classes, **options)


def _schedule(learning_rate, epochs):
    import keras

    def rate(epoch, _):
        return learning_rate * min(1, (epoch + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * epoch / epochs))

    return keras.callbacks.LearningRateScheduler(rate)


def runs(scale, seeds=None):
    """The runs of a scale, those that share compiled programs one after the other, the headlines' first.

    Args:
        scale: One of `SCALES`.
        seeds: Number of seeds of each headline, by claim. Defaults to `None`, the first block of each.
    """
    settings = SCALES[scale]
    first, subsets, explored = settings["cifar10"], settings["subsets"], settings["explored"]
    on_cifar10 = headline_seeds(["H1", "H2", "H3", "H7", "H8"], seeds)
    result = [Run(**first, batches=BALANCED, seed=seed, detail=True) for seed in on_cifar10]
    plain = {"batches": RANDOM, "detail": bool(explored)}
    result += [Run(**first, **plain, seed=seed) for seed in headline_seeds(["H2"], seeds)]

    def on_subsets(chosen, batches, seeds):
        of_all = [settings["tiny"] | {"classes": classes} | of_one for classes, of_one in chosen.items()]
        return [Run(**options, batches=batches, seed=seed) for options in of_all for seed in seeds]

    result += on_subsets(subsets, BALANCED, headline_seeds(["H4", "H5", "H6"], seeds))
    if explored:
        result += on_subsets(explored, BALANCED, headline_seeds([])) + on_subsets(subsets, RANDOM, headline_seeds([]))
    if scale == "paper":
        deep = first | {"depth": OTHER_DEPTH}
        result += [Run(**deep, batches=kind, seed=seed) for kind in (BALANCED, RANDOM) for seed in headline_seeds([])]
    return result

"""Groups of examples in batch normalization against none, and the step of Hajaj & Gillies' network against the machine.

ResNet-20 of Hajaj & Gillies, trained by `training.fit` on noise of the shape of CIFAR-10:

- with `group_size=10` in batches of 100, against no groups (the same batches, one set of statistics), in turn within
  this one process, after a first epoch that compiles; the figure is the median over rounds of the ratio within a round;
- one balanced batch of 10 a step, as in the paper, against ten groups in a step of 100: images a second;
- with `--peak`, the machine's TFLOP a second: how near a step comes to what arithmetic alone would take.

The sampler: `balanced_batches` of a million labels of 1,000 classes.

    python benchmarks/balanced_batches.py --json balanced_batches.json
    python benchmarks/balanced_batches.py --width 64 --size 36 --groups 100 --dtype mixed_bfloat16 --peak 990
"""

import time

import keras
import numpy as np
import pandas as pd
from figures import command_line, figure, write

from bnkeras import models, training
from bnkeras.batches import balanced_batches

CLASSES = 10
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(options, group_size):
    size = options.size
    with training.precision(options.dtype):
        model = models.hajaj_gillies(20, options.width, (size, size, 3), CLASSES, group_size=group_size, seed=0)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), LOSS)
    return model


def epoch(model, x, y, groups):
    """A function that trains an epoch on balanced batches of so many groups."""
    order = balanced_batches(y, groups=groups)
    return lambda: training.fit(model, x, y, order=order, augment=same)


def same(images, generator):
    """No augmentation; with one, `fit` compiles for the size of its batches."""
    return images


def tflop(model):
    """TFLOP of a training step for one image: two operations a product, once forwards and twice backwards."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    products = sum(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape) for layer in convolutions)
    return 6e-12 * float(products)


def sampler():
    labels = np.random.default_rng(0).integers(0, 1000, 1_000_000)
    start = time.perf_counter()
    balanced_batches(labels)
    return time.perf_counter() - start


def main():
    parser = command_line(__doc__)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--peak", type=float, help="TFLOP a second of the machine")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    x = generator.normal(size=(options.images, options.size, options.size, 3)).astype("float32")
    y = np.tile(np.arange(CLASSES), options.images // CLASSES)
    grouped = network(options, CLASSES)
    sides = {
        "grouped": epoch(grouped, x, y, options.groups),
        "ungrouped": epoch(network(options, None), x, y, options.groups),
        "one group a step": epoch(network(options, None), x, y, 1),
    }
    rows = pd.DataFrame(training.seconds_in_turn(sides, options.rounds))
    rounds = rows.pivot(index="round", columns="name", values="seconds")
    for name, value in rounds.median().items():
        print(f"{name}: {options.images / value:,.0f} images a second")
    if options.peak:
        share = options.images * tflop(grouped) / options.peak / rounds["grouped"].median()
        print(f"arithmetic alone would take {share:.1%} of the grouped time")
    ratio, seconds = (rounds["grouped"] / rounds["ungrouped"]).median(), sampler()
    print(f"groups against none: {ratio:.2f} times as long")
    print(f"balanced batches of a million labels: {seconds:.2f} s")
    what = "ResNet-20, batches of 100: BatchNormLayer(group_size=10) against no groups"
    found = [
        figure(what, ratio, "times as long", "<= 1.2"),
        figure("balanced_batches of a million labels, 1,000 classes", seconds, "s", "< 1"),
    ]
    write(options.json, found, {"seconds": rounds.to_dict("list"), "options": str(options)})


if __name__ == "__main__":
    main()

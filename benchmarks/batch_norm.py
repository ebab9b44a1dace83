"""Time `BatchNormLayer` against `keras.layers.BatchNormalization` and against no normalization.

    python benchmarks/batch_norm.py [--json FILE]

One layer alone, forward and backward with the update of its moving statistics, and forward alone in inference; then
whole training steps and inference of ResNet-20. The candidates of a row run in turn, round by round, and each ratio is
the median over rounds of ratios within a round, so that a slow spell of the machine meets them alike. `overhead` is
what a layer adds to no normalization: for a layer alone, the ratio of ours to Keras's; for the network, the share of
its step that each adds.
"""

import argparse
import itertools
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from figures import figure, write

from bnkeras import BatchNormLayer
from bnkeras.models.resnet import resnet

LAYERS = {"none": keras.layers.Identity, "keras": keras.layers.BatchNormalization, "ours": BatchNormLayer}
SHAPES = [(64, 36, 36, 64), (64, 32, 32, 16), (64, 8, 8, 64), (32, 8, 8, 16), (64, 64, 32), (1024, 256), (64, 100)]
MODES = {"graph": {}, "xla": {"jit_compile": True}, "eager": None}
WARMUP = 3
SECONDS = 1.2


def times_in_turn(candidates, rounds):
    """Seconds of each callable in each round; the order within a round rotates."""
    times = {name: [] for name in candidates}
    names = list(candidates)
    for i in range(WARMUP + rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            candidates[name]()
            times[name].append(time.perf_counter() - start)
    return {name: np.array(t[WARMUP:]) for name, t in times.items()}


def rounds_for(candidates):
    """Rounds that take about `SECONDS`, at least 15."""
    for run in candidates.values():
        run()
    start = time.perf_counter()
    for run in candidates.values():
        run()
    return int(min(400, max(15, SECONDS / (time.perf_counter() - start))))


def layer_step(make, shape, mode, training):
    """A callable that runs one layer on fixed data: in training with the gradients of inputs and weights."""
    rng = np.random.default_rng(0)
    x, dy = (tf.constant(rng.normal(size=shape), "float32") for _ in range(2))
    layer = make()
    layer.build(shape)

    def step(x, dy):
        if not training:
            return layer(x, training=False)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, *(w.value for w in layer.trainable_weights)], output_gradients=dy)

    run = step if mode is None else tf.function(step, **mode)
    return lambda: run(x, dy)


def network_step(make, training):
    rng = np.random.default_rng(0)
    x, y = tf.constant(rng.normal(size=(64, 32, 32, 3)), "float32"), tf.constant(rng.integers(0, 10, 64))
    model = resnet(normalization=make)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False)
    return (lambda: model.train_on_batch(x, y)) if training else (lambda: model.predict_on_batch(x))


def measure():
    """Measure every row; yield each as a dict."""
    for shape, mode, training in itertools.product(SHAPES, MODES, (True, False)):
        candidates = {name: layer_step(make, shape, MODES[mode], training) for name, make in LAYERS.items()}
        times = times_in_turn(candidates, rounds_for(candidates))
        yield row("layer", "x".join(map(str, shape)), mode, training, times)
    for training in (True, False):
        candidates = {name: network_step(make if name != "none" else None, training) for name, make in LAYERS.items()}
        yield row("network", "resnet20, batch 64", "graph", training, times_in_turn(candidates, 30))


def row(what, size, mode, training, times):
    """Medians over rounds of the times and of the ratios taken within each round."""
    none, theirs, ours = (times[name] for name in ("none", "keras", "ours"))
    figures = {f"{name}_ms": 1e3 * times[name] for name in LAYERS} | {"ours_over_keras": ours / theirs}
    if what == "layer":
        figures["overhead_ours_over_keras"] = (ours - none) / (theirs - none)
    else:
        figures |= {"overhead_keras": theirs / none - 1, "overhead_ours": ours / none - 1}
    record = {"what": what, "size": size, "mode": mode, "pass": "train" if training else "infer", "rounds": len(none)}
    return record | {name: float(np.median(values)) for name, values in figures.items()}


def figures(rows):
    alone, step = rows[0], next(r for r in rows if r["what"] == "network" and r["pass"] == "train")
    slowest = max(rows, key=lambda r: r["ours_over_keras"])
    where = f"{slowest['size']}, {slowest['mode']}, {slowest['pass']}"
    return [
        figure(
            f"BN alone on {alone['size']}, training: time over no layer, BatchNormLayer over Keras's",
            alone["overhead_ours_over_keras"],
            "of Keras's",
            "<= 0.40",
        ),
        figure("ResNet-20, training step: what BatchNormLayer adds", 100 * step["overhead_ours"], "%", "<= 15"),
        figure("ResNet-20, training step: what Keras's layer adds", 100 * step["overhead_keras"], "%", ""),
        figure(f"slowest case of BatchNormLayer ({where})", slowest["ours_over_keras"], "of Keras's", "<= 1.05"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    machine = {"cores": os.cpu_count(), "keras": keras.__version__, "tensorflow": tf.__version__}
    print("  ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'':<20}{'mode':<7}{'pass':<7}{'none ms':>9}{'keras ms':>10}{'ours ms':>9}{'ours/keras':>12}  overhead")
    rows = []
    for record in measure():
        rows.append(record)
        print(line(record), flush=True)
    if arguments.json:
        write(arguments.json, figures(rows), rows)


def line(r):
    start = f"{r['size']:<20}{r['mode']:<7}{r['pass']:<7}{r['none_ms']:>9.2f}{r['keras_ms']:>10.2f}{r['ours_ms']:>9.2f}"
    if r["what"] == "network":
        return f"{start}{r['ours_over_keras']:>12.2f}  {r['overhead_ours']:.1%} against {r['overhead_keras']:.1%}"
    return f"{start}{r['ours_over_keras']:>12.2f}  {r['overhead_ours_over_keras']:.2f} of Keras's"


if __name__ == "__main__":
    main()

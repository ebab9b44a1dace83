"""Time `BatchNormLayer` against `keras.layers.BatchNormalization` and against no normalization, in both precisions.

    python benchmarks/batch_norm.py [--threads 1] [--seconds 1.2] [--json FILE]

One layer alone, forward and backward with the update of its moving statistics, and forward alone in inference; then
whole training steps and inference of ResNet-20 of width 16 and 64, batches of 64. The candidates of a row run in turn,
round by round, and each ratio is the median over rounds of ratios within a round, so that a slow spell of the machine
meets them alike. `overhead` is what a layer adds to no normalization: for a layer alone, the ratio of ours to Keras's;
for the network, the share of its step that each adds. A network runs in both precisions within a round, and `half` is
its time in bfloat16 with `BatchNormLayer` over that in float32.
"""

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from figures import command_line, figure, write

from bnkeras import BatchNormLayer
from bnkeras.models.resnet import resnet
from bnkeras.training import precision, seconds_in_turn

LAYERS = {"none": keras.layers.Identity, "keras": keras.layers.BatchNormalization, "ours": BatchNormLayer}
# The first is what the README quotes; the others are those of the studies' networks, from large to small.
SHAPES = [
    (64, 36, 36, 64),
    (64, 32, 32, 16),
    (1024, 8, 8, 64),
    (64, 8, 8, 64),
    (64, 2, 2, 512),
    (32, 4, 4, 128),
    (32, 8, 8, 16),
    (4, 16, 16, 32),
    (64, 1, 1, 512),
    (64, 64, 32),
    (1024, 256),
    (60, 100),
]
DTYPES = ("float32", "mixed_bfloat16")
MODES = {"graph": {}, "xla": {"jit_compile": True}, "eager": None}
WIDTHS = (16, 64)
LEAST_ROUNDS, MOST_ROUNDS = 15, 400


def times_in_turn(candidates, seconds):
    """Seconds of each callable in each of as many rounds as take about so many `seconds`."""
    once = sum(row["seconds"] for row in seconds_in_turn(candidates, 1))
    rows = seconds_in_turn(candidates, int(min(MOST_ROUNDS, max(LEAST_ROUNDS, seconds / once))))
    return {name: np.array([row["seconds"] for row in rows if row["name"] == name]) for name in candidates}


def layer_step(make, shape, mode, training, dtype):
    """A callable that runs one layer on fixed data: in training with the gradients of inputs and weights."""
    rng = np.random.default_rng(0)
    layer = make(dtype=dtype)
    x, dy = (tf.cast(rng.normal(size=shape), layer.compute_dtype) for _ in range(2))
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


def network_step(make, training, width, dtype):
    rng = np.random.default_rng(0)
    x, y = tf.constant(rng.normal(size=(64, 32, 32, 3)), "float32"), tf.constant(rng.integers(0, 10, 64))
    with precision(dtype):
        model = resnet(filters=(width, 2 * width, 4 * width), normalization=make)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False)
    return (lambda: model.train_on_batch(x, y)) if training else (lambda: model.predict_on_batch(x))


def measure(seconds):
    """Measure every row; yield each as a dict."""
    for shape, mode, training, dtype in itertools.product(SHAPES, MODES, (True, False), DTYPES):
        candidates = {name: layer_step(make, shape, MODES[mode], training, dtype) for name, make in LAYERS.items()}
        times = times_in_turn(candidates, seconds)
        yield row("layer", "x".join(map(str, shape)), mode, training, dtype, times)
    for width, training in itertools.product(WIDTHS, (True, False)):
        candidates = {
            (dtype, name): network_step(make if name != "none" else None, training, width, dtype)
            for dtype, (name, make) in itertools.product(DTYPES, LAYERS.items())
        }
        times = times_in_turn(candidates, 25 * seconds)
        half = float(np.median(times["mixed_bfloat16", "ours"] / times["float32", "ours"]))
        for dtype in DTYPES:
            own = {name: times[dtype, name] for name in LAYERS}
            yield row("network", f"resnet20, width {width}", "graph", training, dtype, own) | {"half": half}


def row(what, size, mode, training, dtype, times):
    """Medians over rounds of the times and of the ratios taken within each round."""
    none, theirs, ours = (times[name] for name in ("none", "keras", "ours"))
    figures = {f"{name}_ms": 1e3 * times[name] for name in LAYERS} | {"ours_over_keras": ours / theirs}
    if what == "layer":
        figures["overhead_ours_over_keras"] = (ours - none) / (theirs - none)
    else:
        figures |= {"overhead_keras": theirs / none - 1, "overhead_ours": ours / none - 1}
    record = {"what": what, "size": size, "mode": mode, "pass": "train" if training else "infer", "dtype": dtype}
    return record | {"rounds": len(none)} | {name: float(np.median(values)) for name, values in figures.items()}


def figures(rows):
    alone = rows[0]
    slowest = max(rows, key=lambda r: r["ours_over_keras"])
    where = ", ".join(slowest[key] for key in ("size", "mode", "pass", "dtype"))
    return [
        figure(
            f"BN alone on {alone['size']}, training: time over no layer, BatchNormLayer over Keras's",
            alone["overhead_ours_over_keras"],
            "of Keras's",
            "<= 0.40",
        ),
        *itertools.chain.from_iterable(step_figures(rows, width) for width in WIDTHS),
        figure(f"slowest case of BatchNormLayer ({where})", slowest["ours_over_keras"], "of Keras's", "<= 1.03"),
    ]


def step_figures(rows, width):
    """What a training step of one width comes to."""
    size = f"resnet20, width {width}"
    steps = {r["dtype"]: r for r in rows if r["size"] == size and r["pass"] == "train"}
    adds = {"float32": "<= 13", "mixed_bfloat16": {16: "<= 12", 64: "<= 6"}[width]}
    half = {16: "<= 0.66", 64: "<= 0.60"}[width]
    yield figure(f"{size}, training step: bfloat16 over float32", steps["float32"]["half"], "of float32's", half)
    for dtype, step in steps.items():
        what = f"{size}, training step in {dtype}: what {{}} adds"
        yield figure(what.format("BatchNormLayer"), 100 * step["overhead_ours"], "%", adds[dtype])
        yield figure(what.format("Keras's layer"), 100 * step["overhead_keras"], "%", "")


def main():
    parser = command_line(__doc__)
    parser.add_argument("--threads", type=int, help="threads of TensorFlow (default: as many as cores)")
    parser.add_argument("--seconds", type=float, default=1.2, help="time for a row of a layer (default: 1.2)")
    arguments = parser.parse_args()
    if arguments.threads:
        tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    machine = {"threads": arguments.threads or os.cpu_count(), "keras": keras.__version__, "tensorflow": tf.__version__}
    print("  ".join(f"{name} {value}" for name, value in machine.items()))
    columns = f"{'mode':<7}{'pass':<7}{'dtype':<16}{'none ms':>9}{'keras ms':>10}{'ours ms':>9}{'ours/keras':>12}"
    print(f"{'':<20}{columns}  overhead")
    rows = []
    for record in measure(arguments.seconds):
        rows.append(record)
        print(line(record), flush=True)
    write(arguments.json, figures(rows), rows)


def line(r):
    start = f"{r['size']:<20}{r['mode']:<7}{r['pass']:<7}{r['dtype']:<16}"
    start += f"{r['none_ms']:>9.2f}{r['keras_ms']:>10.2f}{r['ours_ms']:>9.2f}"
    if r["what"] == "network":
        return f"{start}{r['ours_over_keras']:>12.2f}  {r['overhead_ours']:.1%} against {r['overhead_keras']:.1%}"
    return f"{start}{r['ours_over_keras']:>12.2f}  {r['overhead_ours_over_keras']:.2f} of Keras's"


if __name__ == "__main__":
    main()

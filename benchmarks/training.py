"""`training.fit` against plain `model.fit`, and what batch normalization costs; one thread each.

Each comparison takes its sides in turn, a call of one epoch each, within this one process, after calls that compile
(and are reported apart); a figure is the median over rounds of ratios of seconds within a round. All arguments are the
default ones.

- The sigmoid network 784-100-100-100-10 with BN, at batches of 60 and of 10, once it has run 4,000 steps.
- Schilling's convolutional network with BN, at batches of 64, in float32 and in bfloat16.
- Batch normalization's overhead: the sigmoid network with BN and without, both by `training.fit`, at batches of 60.

Images are MNIST where the data folder has it, else uniform noise of the same shape; no result depends on them.

    python benchmarks/training.py --json training.json
"""

import itertools
import operator
import os
import statistics
import time

# Before a backend is loaded: they read these once.
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from figures import command_line, figure, write  # noqa: E402

from bnkeras import datasets, models, training  # noqa: E402
from bnkeras.layers import BatchNormLayer  # noqa: E402

FIRST_STEPS = 4000
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def images():
    if (datasets.data_folder() / "mnist.npz").exists():
        data = datasets.load("mnist")
        return data.x_train.astype("float32") / 255, data.y_train.astype("int32"), "MNIST"
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(60_000, 28, 28)).astype("float32")
    return x, generator.integers(0, 10, len(x)).astype("int32"), "uniform noise"


def mlp(normalization):
    keras.utils.set_random_seed(0)
    model = models.mlp((28, 28), 10, normalization)
    model.compile(keras.optimizers.SGD(0.1), LOSS, metrics=["accuracy"])
    return model


def cnn():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Reshape((28, 28, 1)), keras.layers.ZeroPadding2D(2)])
    for filters in (32, 64, 128, 256, 512):
        model.add(keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal"))
        model.add(BatchNormLayer(momentum=0.9, epsilon=1e-5))
        model.add(keras.layers.ReLU())
        model.add(keras.layers.MaxPooling2D())
    for layer in (keras.layers.Flatten(), keras.layers.Dense(512, kernel_initializer="he_normal")):
        model.add(layer)
    for layer in (
        BatchNormLayer(momentum=0.9, epsilon=1e-5),
        keras.layers.ReLU(),
        keras.layers.Dense(10, dtype="float32"),
    ):
        model.add(layer)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), LOSS, metrics=["accuracy"])
    return model


def keras_epoch(model, x, y, batch_size):
    return lambda: model.fit(x, y, batch_size=batch_size, verbose=0)


def our_epoch(model, x, y, batch_size):
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    return lambda: training.fit(model, x, y, batch_size=batch_size)


def in_turn(sides, first, rounds):
    """Seconds of the first epochs of each side together, then those of `rounds` more, the sides taking turns."""
    seconds = {}
    for name, epoch in sides.items():
        start = time.perf_counter()
        for _ in range(first):
            epoch()
        seconds[name] = {"first": time.perf_counter() - start}
    rows = training.seconds_in_turn(sides, rounds)
    for name, own in seconds.items():
        own["epochs"] = [row["seconds"] for row in rows if row["name"] == name]
    return seconds


def ratio(seconds, slow, fast):
    """Median over rounds of how many times as long the side `slow` takes."""
    return statistics.median(map(operator.truediv, seconds[slow]["epochs"], seconds[fast]["epochs"]))


def speed(build, x, y, batch_size, rounds, target):
    sides = {"model.fit": keras_epoch(build(), x, y, batch_size), "training.fit": our_epoch(build(), x, y, batch_size)}
    seconds = in_turn(sides, FIRST_STEPS // (len(x) // batch_size) + 1, rounds)
    return row(batch_size, x, seconds, times_faster=ratio(seconds, *sides), target=target)


def convolutions(x, y, batch_size, rounds, targets):
    """The network in both precisions; `model.fit` in float32 is what a figure is held against."""
    dtypes, fits = ("float32", "mixed_bfloat16"), {"model.fit": keras_epoch, "training.fit": our_epoch}
    sides = {}
    for dtype, (name, epoch) in itertools.product(dtypes, fits.items()):
        with training.precision(dtype):
            sides[f"{name}, {dtype}"] = epoch(cnn(), x, y, batch_size)
    seconds = in_turn(sides, 1, rounds)
    return {
        f"cnn_batch_64_{dtype}": row(
            batch_size,
            x,
            seconds,
            times_faster=ratio(seconds, "model.fit, float32", f"training.fit, {dtype}"),
            times_faster_in_same_precision=ratio(seconds, f"model.fit, {dtype}", f"training.fit, {dtype}"),
            target=target,
        )
        for dtype, target in zip(dtypes, targets, strict=True)
    }


def overhead(x, y, batch_size, rounds, target):
    sides = {name: our_epoch(mlp(name), x, y, batch_size) for name in ("none", "bn")}
    seconds = in_turn(sides, FIRST_STEPS // (len(x) // batch_size) + 1, rounds)
    return row(batch_size, x, seconds, overhead=ratio(seconds, "bn", "none") - 1, target=target)


def row(batch_size, x, seconds, **results):
    return {"batch_size": batch_size, "examples": len(x), "seconds": seconds, **results}


def measure(rounds):
    x, y, source = images()
    # JAX's convolutions take ten times as long as TensorFlow's on a CPU.
    few = 1280 if keras.config.backend() == "tensorflow" else 192
    return {
        "data": source,
        "backend": keras.config.backend(),
        "keras": keras.__version__,
        "mlp_batch_60": speed(lambda: mlp("bn"), x, y, 60, rounds=rounds, target=4),
        "mlp_batch_10": speed(lambda: mlp("bn"), x[:20_000], y[:20_000], 10, rounds=rounds, target=8),
        **convolutions(x[:few], y[:few], 64, rounds=3 * rounds, targets=(1.2, 1.7)),
        "bn_overhead": overhead(x, y, 60, rounds=3 * rounds, target=0.1),
    }


def report(result):
    print(f"{result['backend']}, Keras {result['keras']}, one thread, {result['data']}; median seconds per epoch")
    for name, row in result.items():
        if not isinstance(row, dict):
            continue
        sides = ", ".join(
            f"{side} {statistics.median(s['epochs']):.3f} (first {s['first']:.1f})"
            for side, s in row["seconds"].items()
        )
        if "overhead" in row:
            figure = f"{row['overhead']:.1%} overhead (target: under {row['target']:.0%})"
        else:
            figure = f"{row['times_faster']:.2f} times as fast (target: {row['target']})"
        print(f"{name}, {row['examples']} examples: {sides}: {figure}")


def figures(result):
    names = {"mlp_batch_60": "MLP with BN, batch 60", "mlp_batch_10": "MLP with BN, batch 10"}
    names["cnn_batch_64_float32"] = "CNN with BN, batch 64"
    rows = [
        figure(f"{name}: training.fit over model.fit, one thread", row["times_faster"], "times as fast", row["target"])
        for key, name in names.items()
        for row in [result[key]]
    ]
    half, bn = result["cnn_batch_64_mixed_bfloat16"], result["bn_overhead"]
    what = "CNN with BN, batch 64: training.fit in bfloat16 over model.fit in float32, one thread"
    rows.append(figure(what, half["times_faster"], "times as fast", half["target"]))
    what = "MLP, batch 60: what BN adds to an epoch of training.fit"
    return [*rows, figure(what, 100 * bn["overhead"], "%", f"< {100 * bn['target']:.0f}")]


def main():
    parser = command_line(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each side (default: 5)")
    arguments = parser.parse_args()
    result = measure(arguments.rounds)
    report(result)
    write(arguments.json, figures(result), result)


if __name__ == "__main__":
    main()

"""`training.fit` against plain `model.fit`, and what batch normalization costs; one thread each.

Each comparison takes two sides in turn, epoch by epoch within this one process, after a first epoch that compiles (and
is reported apart); a figure is a ratio of median seconds per epoch.

- The sigmoid network 784-100-100-100-10 with BN, at batches of 60 and of 10.
- Schilling's convolutional network with BN, at batches of 64.
- Batch normalization's overhead: the sigmoid network with BN and without, both by `training.fit`, at batches of 60.

`training.fit` would choose XLA for the sigmoid network where one call trains all the epochs. Here a call trains one, so
it is asked to.

Images are MNIST where the data folder has it, else uniform noise of the same shape; no result depends on them.

    python benchmarks/training.py --json training.json
"""

import argparse
import os
import statistics
import time
from pathlib import Path

# Before a backend is loaded: they read these once.
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from figures import figure, write  # noqa: E402

from bnkeras import datasets, models, training  # noqa: E402
from bnkeras.layers import BatchNormLayer  # noqa: E402

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
    for layer in (BatchNormLayer(momentum=0.9, epsilon=1e-5), keras.layers.ReLU(), keras.layers.Dense(10)):
        model.add(layer)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), LOSS, metrics=["accuracy"])
    return model


def plain(model, x, y, batch_size):
    return lambda: model.fit(x, y, batch_size=batch_size, verbose=0)


def ours(model, x, y, batch_size, jit):
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    return lambda: training.fit(model, x, y, batch_size=batch_size, jit=jit)


def in_turn(sides, rounds):
    """Seconds of the first epoch and of `rounds` more, of each side, the sides taking turns."""
    seconds = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, epoch in sides.items():
            start = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {"first": times[0], "median": statistics.median(times[1:]), "epochs": times[1:]}
        for name, times in seconds.items()
    }


def speed(build, x, y, batch_size, rounds, target, jit=True):
    sides = {"model.fit": plain(build(), x, y, batch_size), "training.fit": ours(build(), x, y, batch_size, jit)}
    seconds = in_turn(sides, rounds)
    figure = seconds["model.fit"]["median"] / seconds["training.fit"]["median"]
    return {"batch_size": batch_size, "examples": len(x), "seconds": seconds, "speedup": figure, "target": target}


def overhead(x, y, batch_size, rounds, target):
    sides = {name: ours(mlp(name), x, y, batch_size, jit=True) for name in ("none", "bn")}
    seconds = in_turn(sides, rounds)
    figure = seconds["bn"]["median"] / seconds["none"]["median"] - 1
    return {"batch_size": batch_size, "examples": len(x), "seconds": seconds, "overhead": figure, "target": target}


def measure():
    x, y, source = images()
    # JAX's convolutions take ten times as long as TensorFlow's on a CPU.
    few = 1280 if keras.config.backend() == "tensorflow" else 192
    return {
        "data": source,
        "backend": keras.config.backend(),
        "keras": keras.__version__,
        "mlp_batch_60": speed(lambda: mlp("bn"), x, y, 60, rounds=5, target=4),
        "mlp_batch_10": speed(lambda: mlp("bn"), x[:20_000], y[:20_000], 10, rounds=5, target=8),
        "cnn_batch_64": speed(cnn, x[:few], y[:few], 64, rounds=5, target=1, jit="auto"),
        "bn_overhead": overhead(x, y, 60, rounds=15, target=0.1),
    }


def report(result):
    print(f"{result['backend']}, Keras {result['keras']}, one thread, {result['data']}; median seconds per epoch")
    for name, row in result.items():
        if not isinstance(row, dict):
            continue
        sides = ", ".join(f"{side} {s['median']:.3f} (first {s['first']:.1f})" for side, s in row["seconds"].items())
        if "overhead" in row:
            figure = f"{row['overhead']:.1%} overhead (target: under {row['target']:.0%})"
        else:
            figure = f"{row['speedup']:.2f} times as fast (target: {row['target']})"
        print(f"{name}, {row['examples']} examples: {sides}: {figure}")


def figures(result):
    names = {"mlp_batch_60": "MLP with BN, batch 60", "mlp_batch_10": "MLP with BN, batch 10"}
    names["cnn_batch_64"] = "CNN with BN, batch 64"
    rows = [
        figure(f"{name}: training.fit over model.fit, one thread", row["speedup"], "times as fast", row["target"])
        for key, name in names.items()
        for row in [result[key]]
    ]
    row = result["bn_overhead"]
    what = "MLP, batch 60: what BN adds to an epoch of training.fit"
    return [*rows, figure(what, 100 * row["overhead"], "%", f"< {100 * row['target']:.0f}")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write the result to")
    arguments = parser.parse_args()
    result = measure()
    report(result)
    if arguments.json:
        write(arguments.json, figures(result), result)


if __name__ == "__main__":
    main()

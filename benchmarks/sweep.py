"""A sweep against a plain loop of `model.fit` over the same runs, on the same cores.

Ten runs: the sigmoid network 784-100-100-100-10 with and without batch normalization at five batch sizes, on MNIST
where the data folder has it, else on the stand-in. Each side is a process of its own, timed from start to end: starting
workers, importing, compiling and testing count. The plain loop has TensorFlow's own threads, the sweep a worker of one
thread per core. As in the studies, a worker makes tensors of the data once, and its runs share two compiled networks,
with batch normalization and without, in which each run starts from weights of its seed. A batch size takes a program
of its own still, save a large one, whose steps are few. Images are bytes on both sides, which the network's first layer
scales. Weights start from a Gaussian of 0.3, with which the network without batch normalization learns from the first
epoch on, so that accuracies can be compared.

    python benchmarks/sweep.py --json sweep.json
"""

import functools
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import command_line, figure, write

from bnkeras import sweep
from bnkeras.sweep.environment import available_cores

BATCH_SIZES = (4, 8, 32, 128, 512)
EPOCHS = 3
LEARNING_RATE = 0.1
STDDEV = 0.3
TEST_BATCH_SIZE = 500


@functools.cache
def images(name):
    from bnkeras import datasets

    data = datasets.load(name)
    return data.x_train, data.y_train, data.x_test, data.y_test


@functools.cache
def tensors(name):
    import keras

    return [keras.ops.convert_to_tensor(array) for array in images(name)]


def network(normalization, shape, seed):
    import keras

    from bnkeras import models

    keras.utils.set_random_seed(seed)
    scale = keras.layers.Rescaling(1 / 255)
    return keras.Sequential([keras.Input(shape), scale, models.mlp(shape, 10, normalization, stddev=STDDEV)])


def compiled(model):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), loss, metrics=["accuracy"])
    return model


@functools.cache
def shared_network(normalization, shape):
    return compiled(network(normalization, shape, 0))


@functools.cache
def initial_weights(normalization, shape, seed):
    return network(normalization, shape, seed).get_weights()


@dataclass(frozen=True)
class Run:
    normalization: str
    batch_size: int
    data: str
    epochs: int
    seed: int = 0

    def train(self):
        from bnkeras.sweep import start_keras

        start_keras()
        from bnkeras import training

        data = tensors(self.data)
        shape = tuple(data[0].shape[1:])
        model = shared_network(self.normalization, shape)
        model.set_weights(initial_weights(self.normalization, shape, self.seed))
        model.optimizer.iterations.assign(0)
        return self.fit(training.fit, model, data, seed=self.seed)

    def train_plainly(self):
        import keras

        data = images(self.data)
        model = compiled(network(self.normalization, data[0].shape[1:], self.seed))
        return self.fit(keras.Model.fit, model, data)

    def fit(self, fit, model, data, **options):
        x_train, y_train, x_test, y_test = data
        options |= {"batch_size": self.batch_size, "epochs": self.epochs, "verbose": 0}
        options |= {"validation_data": (x_test, y_test), "validation_batch_size": TEST_BATCH_SIZE}
        history = fit(model, x_train, y_train, **options).history
        return {"epochs": [{"epoch": e + 1, "accuracy": a} for e, a in enumerate(history["val_accuracy"])]}


def runs(data, epochs):
    return [Run(normalization, size, data, epochs) for size in BATCH_SIZES for normalization in ("bn", "none")]


def plain_loop(data, epochs):
    return [run.train_plainly()["epochs"][-1]["accuracy"] for run in runs(data, epochs)]


def our_sweep(data, epochs):
    with tempfile.TemporaryDirectory() as out:
        records = sweep.run_all(runs(data, epochs), out=out, progress=False)
    return [record["tables"]["epochs"][-1]["accuracy"] for record in records]


def timed(side, data, epochs):
    """Returns the seconds that one side takes in a process of its own, those of all its cores, and its accuracies."""
    with tempfile.NamedTemporaryFile() as file:
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        arguments = ["--side", side, "--data", data, "--epochs", str(epochs), "--json", file.name]
        subprocess.run([sys.executable, __file__, *arguments], check=True)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"seconds": seconds, "cpu_seconds": cpu}, json.loads(Path(file.name).read_text())


def available_data():
    from bnkeras import datasets

    return "mnist" if (datasets.data_folder() / "mnist.npz").exists() else "mnist_sample"


def compare(data, epochs):
    import pandas as pd  # here, since each side pays for what is imported above

    from bnkeras.evidence.intervals import estimate

    plain_time, plain = timed("plain_loop", data, epochs)
    sweep_time, ours = timed("our_sweep", data, epochs)
    difference = estimate(pd.Series(ours) - pd.Series(plain))
    return {
        "data": data,
        "cores": available_cores(),
        "epochs": epochs,
        "plain": plain_time,
        "sweep": sweep_time,
        "speedup": plain_time["seconds"] / sweep_time["seconds"],
        "accuracy": [
            {"normalization": run.normalization, "batch_size": run.batch_size, "plain": a, "sweep": b}
            for run, a, b in zip(runs(data, epochs), plain, ours, strict=True)
        ],
        "mean_difference": float(difference.effect),
        "half_width_95": float(difference.half_width),
    }


def report(result):
    print(f"{'normalization':>13} {'batch size':>10} {'plain fit':>9} {'sweep':>9}   accuracy on {result['data']}")
    for row in result["accuracy"]:
        print(f"{row['normalization']:>13} {row['batch_size']:>10} {row['plain']:>9.4f} {row['sweep']:>9.4f}")
    print(f"mean difference {result['mean_difference']:+.4f} ± {result['half_width_95']:.4f} (95 %)")
    for side in ("plain", "sweep"):
        print(f"{side}: {result[side]['seconds']:.1f} s, {result[side]['cpu_seconds']:.1f} s of all cores")
    print(f"on {result['cores']} cores the sweep is {result['speedup']:.1f} times as fast")


def figures(result):
    sizes = f"batch sizes {BATCH_SIZES[0]} to {BATCH_SIZES[-1]}, {result['epochs']} epochs"
    what = f"ten runs of the MLP, {sizes}: a sweep over a loop of model.fit, start and compiling included"
    return [figure(what, result["speedup"], "times as fast", "10")]


def main():
    parser = command_line(__doc__)
    parser.add_argument("--data", choices=("mnist", "mnist_sample"), help="default: mnist where there is a copy")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of every run; default: %(default)s")
    parser.add_argument(
        "--side", choices=("plain_loop", "our_sweep"), help="run one side only and write its accuracies to the file"
    )
    arguments = parser.parse_args()
    data = arguments.data or available_data()
    if arguments.side:
        arguments.json.write_text(json.dumps(globals()[arguments.side](data, arguments.epochs)))
        return
    result = compare(data, arguments.epochs)
    report(result)
    write(arguments.json, figures(result), result)


if __name__ == "__main__":
    main()

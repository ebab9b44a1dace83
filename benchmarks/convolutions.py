"""How much of a training step is convolution and matrix product, and how fast they run in it.

    python benchmarks/convolutions.py [--batches 40] [--json FILE]

ResNet-20 of width 16 and 64 and Schilling's convolutional network, batches of 64, by `training.fit` with default
arguments, one thread, in float32 and in bfloat16. oneDNN itself reports how long each of its primitives runs, so each
network gets a process of its own, whose report is read here. The same convolutions then run alone, one at a time; the
fastest of these runs is the best that the shape reaches. A rate is that of all convolutions of a step together.
"""

import argparse
import collections
import os
import re
import statistics
import subprocess
import sys
import time

from figures import command_line, figure, write

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
NETWORKS = ("resnet20, width 16", "resnet20, width 64", "Schilling's CNN")
DTYPES = ("float32", "mixed_bfloat16")
BATCH = 64
PRODUCTS = ("convolution", "inner_product", "matmul", "gemm_api")
ROUNDS = 5
ALONE = 30


def child(network, dtype, batches):
    """Train, then run each convolution alone; marks in the output say which is which."""
    import keras
    import numpy as np
    from training import cnn

    from bnkeras import training
    from bnkeras.models.resnet import resnet

    shape = (28, 28) if network == NETWORKS[2] else (32, 32, 3)
    rng = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(rng.normal(size=(BATCH * batches, *shape)).astype("float32"))
    y = keras.ops.convert_to_tensor(rng.integers(0, 10, len(x)))
    with training.precision(dtype):
        if network == NETWORKS[2]:
            model = cnn()
        else:
            width = int(network.split()[-1])
            model = resnet(filters=(width, 2 * width, 4 * width))
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    training.fit(model, x, y, batch_size=BATCH)
    for _ in range(ROUNDS):
        print("mark,step", flush=True)
        start = time.perf_counter()
        training.fit(model, x, y, batch_size=BATCH)
        print(f"mark,seconds,{(time.perf_counter() - start) / batches}", flush=True)
    print("mark,alone", flush=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            run_alone(layer)


def run_alone(layer):
    import tensorflow as tf

    x = tf.random.normal((BATCH, *layer.input.shape[1:]), dtype=tf.float32)
    dy = tf.random.normal((BATCH, *layer.output.shape[1:]), dtype=tf.float32)
    x, kernel, dy = (tf.cast(t, layer.compute_dtype) for t in (x, layer.kernel.value, dy))

    @tf.function
    def passes(x, kernel, dy):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, layer.strides, layer.padding.upper())
        return y, tape.gradient(y, [x, kernel], output_gradients=dy)

    for _ in range(ALONE):
        passes(x, kernel, dy)


def report(network, dtype, batches):
    """The marks and the primitives of a child: lists of milliseconds by phase, kind of primitive, pass and shape."""
    command = [sys.executable, __file__, "--child", network, dtype, "--batches", str(batches)]
    output = subprocess.run(
        command, env={**os.environ, **ONE_THREAD, "ONEDNN_VERBOSE": "1"}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    phase, seconds, times = "first", [], collections.defaultdict(list)
    for line in output.splitlines():
        fields = line.split(",")
        if fields[0] == "mark":
            seconds += [float(value) for value in fields[2:]]
            phase = "first" if fields[1] == "seconds" else fields[1]
        elif fields[0] == "onednn_verbose" and "exec" in fields[:4] and fields[-1]:
            kind = fields[fields.index("exec") + 2]
            times[phase, kind, fields[fields.index("exec") + 4], fields[-2]].append(float(fields[-1]))
    return seconds, times


def floating_point_operations(shape):
    """Of one pass of a convolution, from oneDNN's name of its shape."""
    size = {name: int(value) for name, value in re.findall(r"([a-z]+)(\d+)", shape)}
    return 2 * size["mb"] * size["ic"] * size["oc"] * size["oh"] * size["ow"] * size["kh"] * size["kw"]


def measure(network, dtype, batches):
    seconds, times = report(network, dtype, batches)
    in_step = {key[1:]: values for key, values in times.items() if key[0] == "step"}
    steps = ROUNDS * batches
    share = sum(sum(v) for (kind, *_), v in in_step.items() if kind in PRODUCTS) / (1e3 * sum(seconds) * batches)
    convolutions = {key: values for key, values in in_step.items() if key[0] == "convolution"}
    operations = sum(len(v) / steps * floating_point_operations(shape) for (*_, shape), v in convolutions.items())
    milliseconds = sum(sum(values) for values in convolutions.values()) / steps
    best = sum(len(v) / steps * min(times.get(("alone", *key), v)) for key, v in convolutions.items())
    kinds = collections.Counter()
    for (kind, *_), values in in_step.items():
        kinds[kind] += sum(values) / steps
    return {
        "network": network,
        "dtype": dtype,
        "step_ms": 1e3 * statistics.median(seconds),
        "share": share,
        "gflops": operations / milliseconds / 1e6,
        "gflops_alone": operations / best / 1e6,
        "primitives_ms": dict(kinds),
    }


def figures(rows):
    for row in rows:
        where = f"{row['network']}, {row['dtype']}"
        yield figure(f"{where}: convolution and matrix product in a step", 100 * row["share"], "%", ">= 80")
        yield figure(f"{where}: convolutions in a step", row["gflops"], "GFLOP/s", "")
        relative = 100 * row["gflops"] / row["gflops_alone"]
        yield figure(f"{where}: convolutions in a step, of the best that the shapes reach alone", relative, "%", "")


def main():
    parser = command_line(__doc__)
    parser.add_argument("--batches", type=int, default=40, help="steps of an epoch (default: 40)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child, arguments.batches)
        return
    rows = []
    for network in NETWORKS:
        for dtype in DTYPES:
            rows.append(row := measure(network, dtype, arguments.batches))
            print(
                f"{network:<20}{dtype:<16}step {row['step_ms']:7.1f} ms  products {row['share']:.1%} of it  "
                f"{row['gflops']:.0f} GFLOP/s, alone {row['gflops_alone']:.0f}",
                flush=True,
            )
    write(arguments.json, figures(rows), rows)


if __name__ == "__main__":
    main()

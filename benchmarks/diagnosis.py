"""What `diagnose` says of models of `keras.applications` without trained weights, its time and its memory.

    python benchmarks/diagnosis.py [--json FILE] [--models NAME ...] [--threads N]

Each model is looked at twice, in a process of its own: as it was built, when its moving statistics are 0 and 1 and
have nothing to do with the data, without labels, since a network that has learned nothing has no loss to lose; and
"healthy", with the population's statistics and with labels, when nothing is to be found. The
images are random patches of colour with noise. The time includes that of compiling the passes; the memory is what the
peak of the process rises by.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import command_line, figure, write

SIZES = {"ResNet50": 64, "MobileNetV2": 64, "EfficientNetB0": 64, "DenseNet121": 64, "Xception": 71}
CLASSES, EXAMPLES, BATCH_SIZE = 10, 128, 16


def random_images(size):
    import numpy as np

    rng = np.random.default_rng(0)
    patches = rng.uniform(0, 255, size=(EXAMPLES, 8, 8, 3)).repeat(-(-size // 8), 1).repeat(-(-size // 8), 2)
    images = patches[:, :size, :size] + rng.normal(0, 20, size=(EXAMPLES, size, size, 3))
    return images.clip(0, 255).astype("float32"), rng.integers(CLASSES, size=EXAMPLES)


def built(name, x):
    """The model with random weights, and the images as it wants them."""
    import keras

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=x.shape[1:], classes=CLASSES)
    model.compile("sgd", "sparse_categorical_crossentropy")
    # EfficientNet scales the images itself.
    return model, x if name.startswith("EfficientNet") else x / 127.5 - 1


def examine(name):
    """Look at one model in this process."""
    from bnkeras import diagnose, estimate_population_statistics

    x, y = random_images(SIZES[name])
    model, x = built(name, x)
    before, seconds, found = peak(), {}, {}
    for state in ("as built", "healthy"):
        if state == "healthy":
            estimate_population_statistics(model, x, batch_size=BATCH_SIZE, progress=False)
        start = time.perf_counter()
        diagnosis = diagnose(model, x, y if state == "healthy" else None, batch_size=BATCH_SIZE)
        seconds[state] = time.perf_counter() - start
        found[state] = [
            {"cause": one.cause, "severity": one.severity, "says": one.sentence} for one in diagnosis.findings
        ]
    parameters = model.count_params()
    layers, memory = len(diagnosis.table), peak() - before
    return {"model": name, "layers": layers, "parameters": parameters, "seconds": seconds, "mb": memory, "found": found}


def peak():
    """Peak of this process's memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(name, threads):
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, __file__, "--child", name, "--json", file.name]
        command += ["--threads", str(threads)] if threads else []
        subprocess.run(command, check=True)
        return json.loads(Path(file.name).read_text())


def line(row):
    words = [
        f"{state}: {', '.join(one['cause'] for one in found) or 'nothing'}" for state, found in row["found"].items()
    ]
    seconds = "  ".join(f"{value:6.1f} s" for value in row["seconds"].values())
    return f"{row['model']:<15}{row['layers']:>4} layers  {seconds}  {row['mb']:7.0f} MB  {'; '.join(words)}"


def figures(rows):
    for row in rows:
        what = f"diagnose on {row['model']}, {row['layers']} layers, {EXAMPLES} images"
        yield figure(f"{what}: time, compiling included", row["seconds"]["healthy"], "s", "")
        yield figure(f"{what}: memory", row["mb"], "MB", "")
    first = [next((one["cause"] for one in row["found"]["as built"]), "") for row in rows]
    missed = len(first) - first.count("lagging averages")
    yield figure("models as built whose worst finding is not the averages that lag", missed, "models", "0")
    false = sum(len(row["found"]["healthy"]) for row in rows)
    yield figure(f"findings in {len(rows)} healthy models", false, "findings", "0")


def main():
    parser = command_line(__doc__)
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES), help="default: all")
    parser.add_argument("--threads", type=int, help="threads of TensorFlow (default: as many as cores)")
    parser.add_argument("--child", choices=SIZES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(arguments.threads)
    if arguments.child:
        arguments.json.write_text(json.dumps(examine(arguments.child)))
        return
    rows = []
    for name in arguments.models:
        rows.append(in_a_process(name, arguments.threads))
        print(line(rows[-1]), flush=True)
    write(arguments.json, figures(rows), rows)


if __name__ == "__main__":
    main()

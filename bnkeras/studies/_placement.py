"""What the study of placement trains on: images, networks, and the test with the population's statistics."""

import functools

import numpy as np

from bnkeras.studies import _reuse


@functools.lru_cache(maxsize=2)
def images(name, pixels, examples=None, test_examples=None):
    """`(x_train, y_train, x_test, y_test, source)` of a set of images: the first of them, reduced, from 0 to 1."""
    from bnkeras import datasets

    data = datasets.load(name)
    x_train, x_test = (_reduced(x, pixels) for x in (data.x_train[:examples], data.x_test[:test_examples]))
    parts = [data.source]
    if examples or test_examples:
        parts.append(f"the first {len(x_train):,} for training and {len(x_test):,} for test")
    if x_train.shape[1] != data.x_train.shape[1]:
        parts.append(f"reduced to {pixels}x{pixels}")
    return x_train, data.y_train[:examples], x_test, data.y_test[:test_examples], ", ".join(parts)


def _reduced(x, pixels):
    """Images `[n, size, size, channels]` as float32 from 0 to 1, averaged over squares down to `pixels`."""
    factor, rest = divmod(x.shape[1], pixels)
    if rest or x.shape[1] != x.shape[2]:
        raise ValueError(f"images of {x.shape[1]}x{x.shape[2]} cannot be reduced to `pixels`={pixels}")
    x = x.astype("float32") / 255
    return x if factor == 1 else x.reshape(len(x), pixels, factor, pixels, factor, -1).mean((2, 4), dtype="float32")


def build(model, input_shape, classes, placement, before_pool, width):
    """The uncompiled network of a run."""
    from bnkeras import models

    return models.tang_fong(model, input_shape, classes, blocks(placement, model), before_pool, width)


def blocks(placement, model):
    """The blocks of `"none"`, `"all"` or `"block 3"`, as `models.tang_fong` takes them."""
    from bnkeras.models.tang_fong import block_count

    if placement in ("none", "all"):
        return tuple(range(1, block_count(model) + 1)) if placement == "all" else ()
    return (int(placement.removeprefix("block ")),)


def final_row(model, data, last):
    """What is known of a run at its end alone: entropy of the labels, and the test with the population's statistics.

    The entropy, in nats, is the least loss of a network that does not look at its input.
    """
    from bnkeras import statistics

    x_train, y_train, x_test, y_test = data
    shares = np.bincount(y_train) / len(y_train)
    row = {
        "entropy": float(-np.sum(shares * np.log(np.maximum(shares, 1e-12)))),
        "majority": float(np.bincount(y_test).max() / len(y_test)),
        "population_accuracy": last["test_accuracy"],
    }
    if np.isfinite(last["train_loss"]) and any(layer.name.startswith("bn_") for layer in model.layers):
        statistics.estimate_population_statistics(model, x_train, batch_size=min(500, len(x_train)), progress=False)
        outputs = np.concatenate([_reuse.logits(model, x_test[i : i + 500]) for i in range(0, len(x_test), 500)])
        row["population_accuracy"] = _reuse.score(outputs, y_test)["test_accuracy"]
    return row

"""What the study measures: a summary of every run, and effects of those that share a seed."""

import numpy as np
import pandas as pd

from bnkeras.evidence.effects import at, at_inference, stuck

RATE, HIGH_RATE, BATCH_SIZE = 0.01, 0.1, 64
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)
SEARCHED = (0.001, 0.003, RATE, 0.03, HIGH_RATE)
"""Learning rates that are searched for the shortest time to an accuracy."""
OVERHEAD = dict(zip(BATCH_SIZES, (19.7, 19.0, 16.4, 15.5, 15.3, 15.2), strict=True))
"""What batch normalization adds to an epoch of the CNN in the thesis, in percent."""
SETS = {
    "MNIST": ("mnist", "mnist_sample"),
    "SVHN": ("svhn", "svhn_crops", "svhn_drawn"),
    "CIFAR-10": ("cifar10", "cifar10_drawn"),
    "CIFAR-100": ("cifar100", "cifar100_20k", "cifar100_drawn"),
}
CLASSES = {"CIFAR-100": 100}
"""Classes of the sets that have not ten."""
TARGET = 0.95  # of the lower of the two baselines' validation accuracies
BN, VANILLA = {"normalization": "bn"}, {"normalization": "none"}
_USUAL = {"rule": "plateaus", "condition": "baseline", "learning_rate": RATE, "batch_size": BATCH_SIZE}
_SETTING = ["network", "set", "condition", "learning_rate", "batch_size", "rule"]
RUN = [*_SETTING, "normalization", "seed"]
_COLUMNS = {
    "curves": ["epoch", "validation_accuracy"],
    "layers": ["step", "layer", "gradient_norm", "dead"],
    "shift": ["inference", "layer", "shift"],
    "overhead": ["dtype", "round", "layer", "seconds"],
}
_SET_OF = {name: title for title, names in SETS.items() for name in names}


def titled(tables, name):
    """A table with the column `set`, the title of the data; with no rows where there is none of that name."""
    table = tables.get(name, pd.DataFrame())
    if "data" not in table:
        return pd.DataFrame(columns=[*RUN, *_COLUMNS[name]], dtype="float64")
    return table.assign(set=table.data.map(_SET_OF))


def summary(tables, value=None):
    """A row per run: how it ended, and what was seen along it.

    Args:
        tables: The study's tables.
        value: The one column that is asked for, which is faster. Defaults to `None`, all.

    Returns:
        A `DataFrame` with the columns `RUN` and `source`, and

        - `points`, `moving`: test accuracy in percent with the population's statistics and with moving averages, that
          of chance where the run diverged; `mended`, the first minus the second;
        - `stuck`: by the training loss of the last epoch (see `evidence.effects.stuck`);
        - `reached`, `time`: epochs until the validation accuracy is as high as a target, and seconds of training until
          then; the target is `TARGET` of the lower of the two mean accuracies in which the baseline ends, with BN and
          without, on a set; a run that does not reach it counts as one epoch more than it had;
        - `spread`, `dead`: see `_layers`;
        - `shift`: variance that reaches batch normalization after the first, training over inference, in doublings.
    """
    epochs = titled(tables, "epochs")
    chance = 1 / epochs["set"].map(CLASSES).fillna(10)
    epochs = epochs.assign(points=100 * epochs.test_accuracy.astype(float).fillna(chance))
    rows, moving = (at_inference(epochs, way).set_index(RUN) for way in ("population", "moving averages"))
    points, moving = rows.points, moving.points
    found = {"points": points, "moving": moving, "mended": points - moving}
    result = rows[["source"]].assign(**found, stuck=stuck(rows.train_loss, rows.entropy))
    if value in (None, "reached", "time"):
        reached = _reached(titled(tables, "curves"), rows.epochs)
        result = result.assign(reached=reached, time=reached * rows.seconds)
    if value in (None, "spread", "dead"):
        result = result.join(_layers(tables))
    if value in (None, "shift"):
        result = result.join(_shift(tables))
    return result.reset_index()


def _reached(curves, most):
    ends = pick(curves.drop_duplicates(RUN, keep="last")).groupby(["network", "set", "normalization"])
    targets = TARGET * ends.validation_accuracy.mean().groupby(["network", "set"]).min()
    curves = curves.join(targets.rename("target"), on=["network", "set"])
    first = curves[curves.validation_accuracy >= curves.target].groupby(RUN, sort=False).epoch.min()
    trained = most[most.index.isin(pd.MultiIndex.from_frame(curves[RUN]))]
    return first.reindex(trained.index).fillna(trained + 1).astype(float)


def _layers(tables):
    """Per run, `spread`: |log10| of the norm of the loss gradient at the first activation over that at the last, mean
    over the training; `dead`: percent of units that pass no gradient back, mean over the layers, at the end.
    """
    looks = titled(tables, "layers").groupby([*RUN, "step"], sort=False)
    first, last = (norm.clip(1e-30, 1e30) for norm in (looks.gradient_norm.first(), looks.gradient_norm.last()))
    spread = np.log10(first / last).abs().groupby(RUN).mean()
    return pd.DataFrame({"spread": spread, "dead": 100 * looks.dead.mean().groupby(RUN).last()})


def _shift(tables):
    shift = titled(tables, "shift")
    after = shift[(shift.inference == "moving averages") & (shift.layer != "norm_1")]
    return -np.log2(after.groupby(RUN)["shift"].mean().astype(float))


def pick(rows, **settings):
    """The rows of the values of `settings`, by default those of the baseline; `None` takes every value."""
    for name, value in (_USUAL | settings).items():
        if value is not None:
            rows = rows[rows[name].isin(value) if isinstance(value, tuple) else rows[name] == value]
    return rows


def contrast(value, plus, minus, by=(), **shared):
    """Effect: `value` of the runs of settings `plus` minus that of `minus`, paired by seed, for each of `by`."""

    def effect(tables):
        rows = summary(tables, value)
        sides = [pick(rows, **shared | side).set_index([*by, "seed"])[value] for side in (plus, minus)]
        if value == "stuck":
            return pd.DataFrame(dict(zip(("plus", "minus"), sides, strict=True)))
        return (sides[0] - sides[1]).dropna().astype(float)

    return effect


def lead(by=(), **settings):
    """Effect: test accuracy, BN minus vanilla."""
    return contrast("points", BN, VANILLA, by, **settings)


def time_saved(tables):
    """Seconds to the target, vanilla over BN less 1, in percent, each at the best of the learning rates searched."""
    rows, keys = pick(summary(tables, "time"), learning_rate=None), ["network", "set", "normalization"]
    means = rows.dropna(subset="time").groupby([*keys, "learning_rate"], as_index=False).time.mean()
    searched = means.groupby(keys).learning_rate.transform("nunique") == len(SEARCHED)
    best = means[searched].sort_values("time").drop_duplicates(keys).drop(columns="time")
    times = rows.merge(best).set_index(["network", "set", "seed"])
    bn, vanilla = (times[times.normalization == kind].time for kind in ("bn", "none"))
    return (100 * (vanilla / bn - 1)).dropna()


def overheads(tables):
    """What a layer adds to an epoch, in percent: the median over rounds of the ratio of seconds within a round."""
    rounds = titled(tables, "overhead").set_index(["network", "dtype", "batch_size", "seed", "round"])
    plain, parts = rounds.seconds[rounds.layer == "none"], {}
    for layer in ("bn", "keras_bn"):
        ratios = rounds.seconds[rounds.layer == layer] / plain
        parts[layer] = 100 * (ratios.groupby(level=["network", "dtype", "batch_size", "seed"]).median() - 1)
    return pd.concat(parts, names=["layer"])


def fall_of_overhead(tables):
    """What BN adds to an epoch of the CNN at the smallest batch size minus at the largest, in float32."""
    ours = at(overheads(tables), layer="bn", network="CNN", dtype="float32")
    return at(ours, batch_size=BATCH_SIZES[0]) - at(ours, batch_size=BATCH_SIZES[-1])


def below_thesis(tables):
    """The thesis's overhead minus ours at each batch size."""
    ours = at(overheads(tables), layer="bn", network="CNN")
    thesis = ours.index.get_level_values("batch_size").map(OVERHEAD).to_numpy("float64")
    return pd.Series(thesis, ours.index) - ours

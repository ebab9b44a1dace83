"""What the study measures: the paper's tables, a summary of every run, and effects of those that share a seed."""

import itertools

import numpy as np
import pandas as pd

from bnkeras.evidence.effects import at, at_inference, headline, stuck, where

RUN = ["data", "model", "placement", "before_pool", "augment", "learning_rate", "seed", "dtype"]
FULL, HALF = "float32", "mixed_bfloat16"
STEADY = 5.0  # points
TARGET = 90.0  # % of the test images
RATES_NEEDED = 5  # without which nothing is said of the largest one that trains

TABLE_1 = (
    # model, batch normalization, learning rate, accuracy, stable
    (1, "none", 0.01, 99.67, True),
    (1, "none", 0.02, 33.94, False),
    (1, "all", 0.02, 99.50, True),
    (1, "all", 0.04, 98.50, False),
    (2, "none", 0.01, 99.33, True),
    (2, "all", 0.02, 99.67, True),
    (2, "all", 0.02, 99.33, True),
    (2, "all", 0.04, 99.83, True),
    (2, "none", 0.04, 99.67, False),
    (3, "none", 0.01, 33.3, False),
)
TABLE_2 = {"faces": (99.83, 99.53, 97.79, 87.40), "cifar10": (79.98, 78.5, 79.1, 79.31)}
ENDS = ("none", "all")
SINGLE = ("block 1", "block 2", "block 3", "block 4")
BEFORE_POOL = ("block 2", "block 4")  # in the authors' notebook


def summary(tables, dtype=FULL):
    """A row per headline run in one precision: how it ended, and when it had learned.

    Returns:
        A `DataFrame` with the columns `RUN` and `source`, and

        - `population`, `moving averages`: test accuracy after the last epoch in percent, by way of inference;
        - `stuck`: by the training loss of the last epoch (see `evidence.effects.stuck`);
        - `fall`: the most that test accuracy lost, with moving averages and in points, against an earlier epoch of the
          second half; `stable`: not stuck, and a fall of at most `STEADY` points;
        - `epochs_test`, `epochs_train`: the first epoch with an accuracy of `TARGET` on test images, with the
          population's statistics, and on training images; one more than there are where it never came, NaN where
          networks were not tested after every epoch.
    """
    epochs = headline(tables["epochs"], dtype=dtype).sort_values("epoch")
    parts = {way: at_inference(epochs, way).groupby(RUN, sort=False) for way in ("population", "moving averages")}
    rows = pd.DataFrame({way: 100 * part["test_accuracy"].last() for way, part in parts.items()})
    exact = parts["population"]
    last = exact[["source", "entropy", "train_loss"]].last()
    rows = rows.assign(
        source=last.source,
        stuck=stuck(last.train_loss, last.entropy),
        fall=parts["moving averages"]["test_accuracy"].agg(_fall),
        epochs_test=exact["test_accuracy"].agg(_epochs_to_target),
        epochs_train=exact["train_accuracy"].agg(_epochs_to_target),
    )
    return rows.assign(stable=~rows.stuck & (rows.fall <= STEADY)).reset_index()


def _fall(accuracy):
    half = 100 * accuracy.to_numpy()[len(accuracy) // 2 :]
    return np.max(np.maximum.accumulate(half) - half)


def _epochs_to_target(accuracy):
    reached = 100 * accuracy.to_numpy() >= TARGET
    if len(reached) == 1:  # tested at the end alone
        return np.nan
    return float(np.argmax(reached) + 1 if reached.any() else len(reached) + 1)


def on_faces(runs, **settings):
    """The runs on faces of the `settings` given; by default neither augmented nor with BN before the pool."""
    return where(runs[runs.data.str.startswith("faces")], **{"augment": False, "before_pool": False} | settings)


def table_1(runs):
    """The settings of table 1, each once, with its runs: `((model, placement, rate), accuracy, stable, runs)`."""
    for model, placement, rate, accuracy, stable in {row[:3]: row for row in TABLE_1}.values():
        here = on_faces(runs, model=model, placement=placement, learning_rate=rate)
        yield (model, placement, rate), accuracy, stable, here


def stuck_as_reported(tables):
    """Whether runs are stuck, in the settings reported stuck (`plus`) and in the others (`minus`)."""
    rows = list(table_1(summary(tables)))
    if any(runs.empty for *_, runs in rows):  # part of the table says nothing of the whole
        return pd.DataFrame(columns=["plus", "minus"], index=pd.Index([], name="seed"))
    parts = [pd.DataFrame({"plus" if row[1] < 50 else "minus": row[-1].set_index("seed").stuck}) for row in rows]
    return pd.concat(parts)


def as_reported(column):
    """Effect: for every row of table 1, whether `column` of its runs is as reported."""

    def effect(tables):
        parts = {}
        for setting, accuracy, stable, runs in table_1(summary(tables)):
            parts[setting] = runs.set_index("seed")[column] == (stable if column == "stable" else accuracy < 50)
        return pd.concat(parts, names=["model", "placement", "learning_rate"])

    return effect


def in_notebook(runs):
    """Single layers as in the authors' notebook: augmented, before the pool in blocks 2 and 4."""
    faces = runs[runs.data.str.startswith("faces") & runs.augment & (runs.model == 2)]
    return faces[faces.before_pool == faces.placement.isin(BEFORE_POOL)]


def by_placement(runs, value="population", by=()):
    """`value` of the single layers: a column per placement, rows `by` and seed."""
    runs = runs[runs.placement.isin(SINGLE)]
    wide = runs.pivot(index=[*by, "seed"], columns="placement", values=value)
    return wide.reindex(columns=SINGLE).dropna()


def first_over_last(wide):
    """Accuracy with the layer after block 1 minus after block 4."""
    return wide["block 1"] - wide["block 4"]


def first_over_others(wide):
    """Accuracy with the layer after block 1 minus the mean of the others."""
    return wide["block 1"] - wide[list(SINGLE[1:])].mean(axis=1)


def fall_per_block(wide):
    """Points of accuracy lost for each block that the layer moves back: minus the slope of a line through the four."""
    x = np.arange(4) - 1.5
    return -(wide[list(SINGLE)] @ x) / (x @ x)


def everywhere(effect):
    """An effect of the single layers' accuracies on both sets, in all variants and by both ways of inference."""

    def explored(tables):
        runs, parts = summary(tables).query("model == 2"), {}
        variants = {"after the pool": runs[~runs.before_pool], "as in the notebook": in_notebook(runs)}
        for way, (variant, chosen) in itertools.product(("population", "moving averages"), variants.items()):
            parts[way, variant] = effect(by_placement(chosen, way, ["data", "learning_rate", "augment"]))
        return pd.concat(parts, names=["inference", "variant"])

    return explored


def half_over_full(tables):
    """Accuracy in bfloat16 minus in float32, same network and seed, at each placement."""
    both = pd.concat([on_faces(summary(tables, dtype), model=2) for dtype in (FULL, HALF)])
    wide = both.pivot(index=["placement", "learning_rate", "seed"], columns="dtype", values="population")
    wide = wide.reindex(columns=[HALF, FULL]).dropna()
    return wide[HALF] - wide[FULL]


def _contrast(tables, value):
    """A column of the runs of models 1 and 2 on faces: base and BN after every block, rows by model, rate and seed."""
    runs = on_faces(summary(tables))
    runs = runs[runs.model.isin([1, 2]) & runs.placement.isin(ENDS)]
    wide = runs.pivot(index=["model", "learning_rate", "seed"], columns="placement", values=value)
    return wide.reindex(columns=ENDS)


def lead(tables):
    """Accuracy, BN minus base, at each learning rate."""
    wide = _contrast(tables, "population")
    return (wide["all"] - wide["none"]).dropna()


def more_stuck(tables):
    """Whether runs are stuck, base (`plus`) and BN (`minus`), at each learning rate."""
    return _contrast(tables, "stuck").dropna().set_axis(["plus", "minus"], axis=1)


def single_layer_trains(tables):
    """Whether runs with a single layer train, at each learning rate at which the base model gets stuck."""
    runs = on_faces(summary(tables), model=2)
    chosen = runs[runs.placement.isin(SINGLE) & (runs.learning_rate >= 0.08)]
    return ~chosen.set_index(["placement", "learning_rate", "seed"]).stuck


def larger_rate(tables):
    """Doublings from the largest rate that base still trains at to the largest that BN does, by model.

    A network trains at a rate when it is not stuck and within `STEADY` points of its best rate, seed by seed, with the
    population's statistics.
    """
    one = ["model", "seed"]
    wide = _contrast(tables, "population").dropna()
    wide = wide[wide.groupby(level=one).transform("size") >= RATES_NEEDED]
    best = wide.groupby(level=one).transform("max")
    trains = (wide >= best - STEADY) & ~_contrast(tables, "stuck").loc[wide.index].astype(bool)
    rates = pd.Series(np.log2(wide.index.get_level_values("learning_rate").to_numpy()), wide.index)
    largest = {kind: rates.where(trains[kind]).groupby(level=one).max() for kind in ENDS}
    return largest["all"] - largest["none"]


def epochs_saved(value="epochs_test", base_rate=0.01, bn_rate=0.04):
    """Effect: epochs to the target, base at one rate minus BN at another, by model."""

    def effect(tables):
        wide = _contrast(tables, value)
        return (at(wide["none"], learning_rate=base_rate) - at(wide["all"], learning_rate=bn_rate)).dropna()

    return effect


def model_3_stuck(tables):
    """Whether runs of model 3 are stuck, at each learning rate."""
    return on_faces(summary(tables), model=3).set_index(["learning_rate", "seed"]).stuck

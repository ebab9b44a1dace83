"""Claims T1 to T6, each with its headline and what else was explored, and the paper's tables."""

import itertools

import numpy as np
import pandas as pd

from bnkeras.evidence.claims import NONE, Claim, Measure
from bnkeras.evidence.effects import at, at_inference, headline, stuck

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
        - `stuck`: by the training loss of the last epoch (see `effects.stuck`);
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
    settings = {"augment": False, "before_pool": False} | settings
    chosen = runs.data.str.startswith("faces")
    for name, value in settings.items():
        chosen &= runs[name] == value
    return runs[chosen]


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


def _claim(id, sentence, reported, headline, *explored, **options):
    return Claim(id, "tang-fong", sentence, reported, headline, explored, **options)


_FIRST_LAST = "test accuracy, layer after block 1 minus block 4"
_FIRST = "test accuracy, layer after block 1 minus the mean of the others"
_DOUBLINGS = "largest learning rate that trains, BN after every block over base"
_EPOCHS = f"epochs to {TARGET:g} % accuracy"

CLAIMS = (
    _claim(
        "T1",
        "Which of the networks trains, and which gets stuck, at which learning rate, with and without BN (table 1).",
        "33.94 and 33.3 % in two of nine settings, 98.5 to 99.83 in the others",
        Measure("share of runs stuck, settings reported stuck minus the others", stuck_as_reported, "points", 20),
        Measure("share of runs as stable as reported, above one half", as_reported("stable"), "points", 20),
        Measure("share of runs stuck, or not, as reported, above one half", as_reported("stuck"), "points", 20),
        reported_effect=100,
        plain=(
            "Networks get stuck in the settings that the paper says.",
            "Networks get stuck no more often there than elsewhere.",
            "Networks get stuck elsewhere.",
        ),
    ),
    _claim(
        "T2",
        "The later the one layer of batch normalization, the lower the accuracy.",
        "faces 99.83, 99.53, 97.79, 87.40; CIFAR-10 79.98, 78.5, 79.1, 79.31 %",
        Measure(
            f"{_FIRST_LAST}, as in the authors' notebook",
            lambda tables: first_over_last(by_placement(in_notebook(summary(tables)))),
            "points",
            2,
        ),
        Measure(_FIRST_LAST, everywhere(first_over_last), "points", 2),
        Measure("accuracy lost for each block that the layer moves back", everywhere(fall_per_block), "points", 1),
        reported_effect=12.43,
        plain=(
            "The layer does better after the first block than after the last.",
            "First block or last makes no difference that matters.",
            "The layer does better after the last block than after the first.",
        ),
    ),
    _claim(
        "T3",
        "Batch normalization on the first layer gives the best result.",
        "table 2",
        Measure(
            _FIRST,
            lambda t: first_over_others(by_placement(on_faces(summary(t), model=2, learning_rate=0.01))),
            "points",
            2,
        ),
        Measure(_FIRST, everywhere(first_over_others), "points", 2),
        Measure(
            "test accuracy, bfloat16 minus float32",
            half_over_full,
            "points",
            2,
            NONE,
            sentence="Networks end in half precision as in float32.",
        ),
        reported_effect=4.92,
        plain=(
            "The first block is the best place.",
            "No place is better by what matters.",
            "The first block is worse than the other places.",
        ),
    ),
    _claim(
        "T4",
        "Batch normalization allows a larger learning rate.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        Measure(f"{_DOUBLINGS}, model 2", lambda t: at(larger_rate(t), model=2), "doublings", 0.5),
        Measure(_DOUBLINGS, larger_rate, "doublings", 0.5),
        Measure("test accuracy, BN minus base", lead, "points", 2),
        Measure("share of runs stuck, base minus BN", more_stuck, "points", 20),
        Measure(
            "share of runs with a single layer that train, above one half",
            single_layer_trains,
            "points",
            20,
            sentence="A single layer anywhere starts the network at rates at which the base model gets stuck.",
        ),
        reported_effect=2,
        plain=(
            "With BN the network trains at larger rates.",
            "BN allows no larger rate.",
            "With BN the network trains at smaller rates only.",
        ),
    ),
    _claim(
        "T5",
        "Batch normalization at 0.04 converges in fewer epochs than the base at 0.01.",
        "99 % by epoch 7 against epoch 9 (model 1) and 14 (model 2)",
        Measure(
            f"{_EPOCHS}, base at 0.01 minus BN at 0.04, model 2",
            lambda tables: at(epochs_saved()(tables), model=2),
            "epochs",
            2,
        ),
        Measure(f"{_EPOCHS}, base at 0.01 minus BN at 0.04", epochs_saved(), "epochs", 2),
        Measure(f"{_EPOCHS}, both at 0.01", epochs_saved(bn_rate=0.01), "epochs", 2),
        Measure(f"{_EPOCHS} on training images, both at 0.01", epochs_saved("epochs_train", 0.01, 0.01), "epochs", 2),
        reported_effect=7,
        plain=(
            "BN at the larger rate converges in fewer epochs.",
            "BN at the larger rate converges in as many epochs.",
            "BN at the larger rate converges in more epochs.",
        ),
    ),
    _claim(
        "T6",
        "With max-pooling before ReLU (model 3) the network gets stuck.",
        "33.3 % against 99.67 %",
        Measure(
            "share of runs of model 3 stuck at 0.01, above one half",
            lambda tables: at(model_3_stuck(tables), learning_rate=0.01),
            "points",
            20,
        ),
        Measure("share of runs of model 3 stuck, above one half", model_3_stuck, "points", 20),
        proof="tests/test_models.py::test_pool_and_relu_commute",
        reported_effect=50,
        plain=(
            "Model 3 gets stuck in most of its runs.",
            "Model 3 gets stuck in about half of its runs.",
            "Model 3 trains in most of its runs.",
        ),
    ),
)

"""Claims T1 to T6, each with the effects that measure it, and the paper's tables."""

import numpy as np
import pandas as pd

from bnkeras.evidence.claims import Claim, Measure

RUN = ["data", "model", "placement", "before_pool", "augment", "learning_rate", "seed"]
STUCK = 0.95  # of the labels' entropy, which a network reaches without looking at its input
STEADY = 5.0  # points
SHARE = 0.99

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
SINGLE = ["block 1", "block 2", "block 3", "block 4"]


def summary(tables):
    """A row per run: how it ended, and when it had learned.

    Returns:
        A `DataFrame` with the columns `RUN` and `source`, and

        - `accuracy`, `population`: test accuracy after the last epoch in percent, with moving averages and with the
          population's statistics;
        - `stuck`: the training loss of the last epoch is not below `STUCK` of the labels' entropy, or is not finite;
        - `fall`: the most that test accuracy lost, in points, against an earlier epoch of the second half;
        - `stable`: not stuck, and `fall` at most `STEADY` points;
        - `epochs_test`, `epochs_train`: the first epoch with `SHARE` of the final accuracy, on test and on training
          images, NaN where stuck. The final accuracy is the mean over the last quarter of the epochs.
    """
    epochs = tables["epochs"].sort_values("epoch")
    exact = epochs.inference == "population"
    population = 100 * epochs[exact].groupby(RUN)["test_accuracy"].last().rename("population")
    rows = epochs[~exact].groupby(RUN, sort=False).apply(_run_row).reset_index().merge(population, "left", on=RUN)
    stuck = ~(rows.loss < STUCK * rows.entropy)
    soon = {name: rows[name].where(~stuck) for name in ("epochs_test", "epochs_train")}
    population = rows.population.fillna(rows.accuracy)
    return rows.assign(stuck=stuck, stable=~stuck & (rows.fall <= STEADY), population=population, **soon)


def _run_row(epochs):
    test, train = 100 * epochs.test_accuracy.to_numpy(), epochs.train_accuracy.to_numpy()
    half = test[len(test) // 2 :]
    last = epochs.iloc[-1]
    return pd.Series(
        {
            "source": last.source,
            "entropy": last.entropy,
            "accuracy": test[-1],
            "loss": last.train_loss,
            "fall": float(np.max(np.maximum.accumulate(half) - half)),
            "epochs_test": _epochs_to_final(test),
            "epochs_train": _epochs_to_final(train),
        }
    )


def _epochs_to_final(accuracy):
    final = accuracy[-max(len(accuracy) // 4, 1) :].mean()
    return float(np.argmax(accuracy >= SHARE * final) + 1)


def plain(runs, **settings):
    """The runs without augmentation and with batch normalization after the pool, and of the `settings` given."""
    chosen = ~runs.augment.astype(bool) & ~runs.before_pool.astype(bool)
    for name, value in settings.items():
        chosen &= runs[name] == value
    return runs[chosen]


def plain_faces(runs, **settings):
    """The same on faces."""
    return plain(runs[runs.data.str.startswith("faces")], **settings)


def as_reported(column):
    """Effect: for every row of table 1, the share of runs whose `column` is as reported, less one half."""

    def effect(tables):
        runs, effects = summary(tables), {}
        for model, placement, rate, accuracy, stable in TABLE_1:
            here = plain_faces(runs, model=model, placement=placement, learning_rate=rate)
            reported = stable if column == "stable" else accuracy < 50
            effects[model, placement, rate] = (here.set_index("seed")[column] == reported) - 0.5
        return pd.concat(effects, names=["model", "placement", "learning_rate"])

    return effect


_CONDITION = ["data", "learning_rate", "augment", "before_pool", "seed"]


def placements(tables, value):
    """`value` of each placement in model 2: a column per placement, a row per condition and seed."""
    runs = summary(tables).query("model == 2")
    return runs.pivot(index=_CONDITION, columns="placement", values=value).dropna(subset=SINGLE)


def both_ways(effect):
    """An effect of the placements' accuracies, with moving averages and with the population's statistics."""
    ways = {"moving averages": "accuracy", "population": "population"}
    return lambda tables: pd.concat(
        {way: effect(placements(tables, value)) for way, value in ways.items()}, names=["inference"]
    )


def fall_per_block(wide):
    """Points of accuracy lost for each block that the layer moves back: minus the slope of a line through the four."""
    x = np.arange(4) - 1.5
    return -(wide[SINGLE] @ x) / (x @ x)


def first_over_last(wide):
    """Accuracy with the layer after block 1 minus after block 4."""
    return wide["block 1"] - wide["block 4"]


def first_over_best_other(wide):
    """Accuracy with the layer after block 1 minus after the best other block, by mean over seeds."""
    others = wide[SINGLE[1:]]
    mean = others.groupby(level=_CONDITION[:-1]).transform("mean")
    return wide["block 1"] - others.where(mean.eq(mean.max(axis=1), axis=0)).bfill(axis=1).iloc[:, 0]


def lag_at_last(tables):
    """Accuracy with the layer after block 4, with the population's statistics minus with moving averages."""
    return placements(tables, "population")["block 4"] - placements(tables, "accuracy")["block 4"]


def _contrast(tables, value):
    """Base and BN after every block in models 1 and 2 on faces, side by side: index model, rate, seed."""
    runs = plain_faces(summary(tables))
    runs = runs[runs.model.isin([1, 2]) & runs.placement.isin(["none", "all"])]
    return runs.pivot(index=["model", "learning_rate", "seed"], columns="placement", values=value).dropna(how="all")


def lead(value, factor=1):
    """Effect: BN minus base in `value`, times a factor, at every learning rate above the smallest."""

    def effect(tables):
        wide = _contrast(tables, value).astype("float64")
        rates = wide.index.get_level_values("learning_rate")
        return factor * (wide["all"] - wide["none"])[rates > rates.min()]

    return effect


def larger_rate(tables):
    """Doublings from the largest rate that base still trains at to the largest that BN does.

    A network trains at a rate when it is not stuck and within `STEADY` points of its best rate, seed by seed, with the
    population's statistics.
    """
    wide = _contrast(tables, "population")
    best = wide.groupby(level=["model", "seed"]).transform("max")
    trains = (wide >= best - STEADY) & ~_contrast(tables, "stuck").astype(bool)
    rates = np.log2(trains.index.get_level_values("learning_rate").to_numpy())
    largest = trains.mul(1.0).where(trains).mul(rates, axis=0).groupby(level=["model", "seed"]).max()
    return largest["all"] - largest["none"]


def epochs_saved(value, base_rate, bn_rate):
    """Effect: epochs to `SHARE` of the final accuracy, base at one rate minus BN at another."""

    def effect(tables):
        wide = _contrast(tables, value)
        return wide["none"].xs(base_rate, level="learning_rate") - wide["all"].xs(bn_rate, level="learning_rate")

    return effect


def swapped(tables):
    """Test accuracy that model 3 lacks to model 1, beyond one point, at each learning rate."""
    runs = plain_faces(summary(tables), placement="none")
    wide = runs.pivot(index=["learning_rate", "seed"], columns="model", values="accuracy")
    return (wide[1] - wide[3] - 1).dropna()


def mostly_stuck(tables):
    """Share of runs of model 3 that are stuck, less one half, at each learning rate."""
    return plain_faces(summary(tables), placement="none", model=3).set_index(["learning_rate", "seed"]).stuck - 0.5


def _claim(id, sentence, reported, *measures):
    return Claim(id, "tang-fong", sentence, reported, measures)


_AHEAD = "At a larger learning rate, batch normalization is ahead."
_SAME_RATE = "It does so at one and the same learning rate, 0.01."
_AT_ONE_RATE = ", base minus BN, both at 0.01"
_AT_TWO_RATES = ", base at 0.01 minus BN at 0.04"

CLAIMS = (
    _claim(
        "T1",
        "Which of the networks trains stably, at which learning rate, with and without batch normalization.",
        "99.67 stable .01, 33.94 unstable .02 without, and so on: ten rows",
        Measure("share of runs as stable as reported, less one half", as_reported("stable")),
        Measure("share of runs stuck, or not, as reported, less one half", as_reported("stuck")),
    ),
    _claim(
        "T2",
        "The later the one layer of batch normalization, the lower the accuracy.",
        "faces 99.83, 99.53, 97.79, 87.40; CIFAR-10 79.98, 78.5, 79.1, 79.31 %",
        Measure("accuracy lost for each block that the layer moves back, points", both_ways(fall_per_block)),
        Measure("test accuracy, layer after block 1 minus block 4, points", both_ways(first_over_last)),
        Measure(
            "test accuracy, layer after block 4, the population's statistics minus moving averages, points",
            lag_at_last,
            sentence="What is lost after the last block is lost by the moving averages, not by the training.",
        ),
    ),
    _claim(
        "T3",
        "Batch normalization on the first layer gives the best result.",
        "table 2",
        Measure(
            "test accuracy, layer after block 1 minus the best other block, points", both_ways(first_over_best_other)
        ),
    ),
    _claim(
        "T4",
        "Batch normalization allows a larger learning rate.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        Measure("largest learning rate that trains, BN over base, doublings", larger_rate),
        Measure("test accuracy, BN minus base, points", lead("accuracy"), sentence=_AHEAD),
        Measure(
            "test accuracy, BN with the population's statistics minus base, points", lead("population"), sentence=_AHEAD
        ),
        Measure("share of runs stuck, base minus BN, points", lead("stuck", -100), sentence=_AHEAD),
    ),
    _claim(
        "T5",
        "Batch normalization at 0.04 converges in fewer epochs than the base at 0.01.",
        "99 % by epoch 7 against epoch 9 (model 1) and 14 (model 2)",
        *(
            Measure(f"epochs to 99 % of the final {part} accuracy{words}", effect, sentence=sentence)
            for words, rate, sentence in ((_AT_TWO_RATES, 0.04, ""), (_AT_ONE_RATE, 0.01, _SAME_RATE))
            for part, column in (("test", "epochs_test"), ("training", "epochs_train"))
            for effect in (epochs_saved(column, 0.01, rate),)
        ),
    ),
    _claim(
        "T6",
        "With max-pooling before ReLU (model 3) the network does worse than the other way round, and gets stuck.",
        "33.3 against 99.67 %",
        Measure("test accuracy, model 1 minus model 3, beyond 1 point", swapped),
        Measure("share of runs stuck, less one half", mostly_stuck, sentence="Model 3, and so model 1, gets stuck."),
        Measure(
            "equal outputs and gradients for equal weights",
            proof="tests/test_models.py::test_pool_and_relu_commute",
            sentence="Against the claim: max-pooling and ReLU commute, so models 1 and 3 are one function.",
        ),
    ),
)

"""Claims B2 to B6, F1 and F2, each with the effects that measure it: kinds compared, each at its better rate."""

import pandas as pd

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import at_inference

SMALL = 10  # the largest small batch
WAYS = ("moving averages", "population")
_SETTING = ["data", "features", "normalization", "batch_size"]


def at_better_rate(tables, way):
    """Test accuracy in points of each kind at the better of its learning rates, as BN infers in one way.

    Returns:
        A `DataFrame` with columns `(normalization, batch_size)` and rows `data`, `features`, `seed`.
    """
    points = at_inference(tables["epochs"], way)
    points = points.assign(points=100 * points.test_accuracy)
    best = points.groupby([*_SETTING, "learning_rate"])["points"].mean().groupby(_SETTING).idxmax()
    chosen = points.set_index([*_SETTING, "learning_rate"]).loc[best].reset_index()
    return chosen.pivot(index=["data", "features", "seed"], columns=["normalization", "batch_size"], values="points")


def _plain(tables, way):
    """The same for images and standardized features alone; rows `data`, `seed`."""
    wide = at_better_rate(tables, way)
    return wide[wide.index.isin(["as they are", "standardized"], "features")].droplevel("features")


def both_ways(effect):
    """An effect of the accuracies with moving averages, and with BN's statistics estimated anew."""
    return lambda tables: pd.concat({way: effect(_plain(tables, way)) for way in WAYS}, names=["inference"])


def one_way(effect):
    """An effect of the accuracies with moving averages."""
    return lambda tables: effect(_plain(tables, WAYS[0]))


def ranges(wide):
    """Batch sizes that have a variance, small and large: `{words: sizes}`."""
    sizes = sorted({size for _, size in wide})
    parts = [s for s in sizes if 1 < s <= SMALL], [s for s in sizes if s > SMALL]
    return {
        f"batch {part[0]}" if len(part) == 1 else f"mean of batches {part[0]} to {part[-1]}": part for part in parts
    }


def lead(plus, minus):
    """Lead in accuracy of one kind over another, averaged over small and over large batches of two or more."""

    def effect(wide):
        difference = wide[plus] - wide[minus]
        means = {words: difference[sizes].mean(axis=1) for words, sizes in ranges(wide).items()}
        return pd.concat(means, names=["batches"])

    return effect


def most_of_all_small(wide):
    """Lead of LN over BN, averaged over small batches, minus the same over large ones."""
    difference = wide["ln"] - wide["bn"]
    small, large = ranges(wide).values()
    return difference[small].mean(axis=1) - difference[large].mean(axis=1)


def steadier(wide):
    """Standard deviation of accuracy over the batch sizes, of BN minus of WS."""
    return wide["bn"].std(axis=1, ddof=0) - wide["ws"].std(axis=1, ddof=0)


def not_mended(wide):
    """Accuracy of WS + BN at batch 64 minus at batches of one and two."""
    wide = wide["ws_bn"]
    small = [size for size in wide if size <= 2] or [min(wide)]
    return pd.concat({size: wide[64] - wide[size] for size in small}, names=["batch_size"])


def best_of_all(wide):
    """WS + BN at its best batch size minus the best of the other kinds of the report at its own."""
    effects = []
    for _, part in wide.groupby("data"):
        mean = part.mean().drop(["gn", "ghost_bn"], level="normalization")
        rival = mean.drop("ws_bn", level="normalization").idxmax()
        effects.append(part["ws_bn"][mean["ws_bn"].idxmax()] - part[rival])
    return pd.concat(effects)


def ws_bn_over_ws(wide):
    """Lead of WS + BN over WS at each small batch size."""
    difference = wide["ws_bn"] - wide["ws"]
    return pd.concat({size: difference[size] for size in difference if size <= SMALL}, names=["batch_size"])


def ln_by_features(tables):
    """Lead of LN over BN on the table, for each correlation of its features and batch size."""
    wide = at_better_rate(tables, WAYS[0]).drop("as they are", level="features")
    return (wide["ln"] - wide["bn"]).dropna(axis=1).stack().reorder_levels(["data", "features", "batch_size", "seed"])


def more_when_correlated(tables):
    """That lead with correlated minus with decorrelated features."""
    difference = ln_by_features(tables)
    return difference.xs("correlated", level="features") - difference.xs("decorrelated", level="features")


def _claim(id, sentence, *measures, reported="figure"):
    return Claim(id, "mnist-report", sentence, reported, measures)


_LEAD = "test accuracy, LN minus BN, points"

CLAIMS = (
    _claim(
        "B2",
        "Layer normalization beats batch normalization.",
        Measure(_LEAD, both_ways(lead("ln", "bn"))),
        Measure(
            "lead of LN, small batches minus large, points",
            both_ways(most_of_all_small),
            sentence="Most of all at small batches.",
        ),
    ),
    _claim(
        "B3",
        "Weight standardization alone is worse than batch normalization.",
        Measure("test accuracy, BN minus WS, points", both_ways(lead("bn", "ws"))),
    ),
    _claim(
        "B4",
        "Weight standardization alone is steadier over batch sizes.",
        Measure("standard deviation of accuracy over all batch sizes, BN minus WS, points", both_ways(steadier)),
    ),
    _claim(
        "B5",
        "Both together do not mend batch normalization's failure at small batches.",
        Measure("test accuracy of WS + BN, batch 64 minus the small batch, points", one_way(not_mended)),
    ),
    _claim(
        "B6",
        "Both together are the best of all models.",
        Measure(
            "test accuracy at the best batch size, WS + BN minus the best of none, BN, LN and WS, points",
            one_way(best_of_all),
        ),
    ),
    _claim(
        "F1",
        "At batch sizes from 1 to 10, WS + BN is ahead of WS.",
        Measure("test accuracy, WS + BN minus WS, points", one_way(ws_bn_over_ws)),
        reported="open question",
    ),
    _claim(
        "F2",
        "On BNG(glass), layer normalization is ahead of batch normalization.",
        Measure(_LEAD, ln_by_features),
        Measure(
            "lead of LN over BN, correlated minus decorrelated features, points",
            more_when_correlated,
            sentence="The more so, the more the features are correlated.",
        ),
        reported="open question",
    ),
)

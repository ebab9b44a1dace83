"""Effects of the claims of `ln_bn_ws`: kinds of normalization compared, each at its better learning rate."""

import pandas as pd

from bnkeras.studies import _batches, _features

SMALL_RANGE = 10


def at_better_rate(epochs, inference=_batches.MOVING):
    """Test accuracy in points of each kind at the better of its learning rates: a row per data, features and seed.

    Args:
        epochs: the study's table.
        inference: how kinds with batch normalization infer; the others have but one way.

    Returns:
        A `DataFrame` with columns `(normalization, batch_size)`.
    """
    setting = ["data", "features", "normalization", "batch_size"]
    wanted = epochs.normalization.map(lambda kind: inference if kind in _batches.BATCH_NORMS else _batches.MOVING)
    chosen = epochs[epochs.inference == wanted].assign(points=100 * epochs.test_accuracy)
    mean = chosen.groupby([*setting, "learning_rate"])["points"].mean()
    best = mean.groupby(setting).idxmax().map(lambda index: index[-1]).rename("best")
    chosen = chosen.merge(best.reset_index(), on=setting)
    chosen = chosen[chosen.learning_rate == chosen.best]
    return chosen.pivot(index=["data", "features", "seed"], columns=["normalization", "batch_size"], values="points")


def _plain(tables, inference=_batches.MOVING):
    wide = at_better_rate(tables["epochs"], inference)
    return wide[~wide.index.get_level_values("features").isin(["decorrelated", "correlated"])].droplevel("features")


def _both_ways(effect):
    """An effect of the accuracies with moving averages, and with BN's statistics estimated anew."""

    def combined(tables):
        exact = effect(_plain(tables, _batches.POPULATION))
        exact = exact.rename(lambda condition: f"{condition}, BN with the population's statistics", level="condition")
        return pd.concat([effect(_plain(tables)), exact])

    return combined


def _labelled(effects):
    """Effects of several conditions: `{words: Series indexed by data and seed}`."""
    parts = []
    for words, series in effects.items():
        frame = series.rename("effect").reset_index()
        condition = [f"{data}, {words}" if words else data for data in frame.data]
        parts.append(frame.assign(condition=condition).set_index(["condition", "seed"])["effect"])
    return pd.concat(parts)


def _ranges(wide):
    """Batch sizes that have a variance, small and large, in words."""
    sizes = sorted({size for _, size in wide})
    small = [size for size in sizes if 1 < size <= SMALL_RANGE]
    large = [size for size in sizes if size > SMALL_RANGE]
    words = {True: "batch {0}", False: "mean of batches {0} to {1}"}
    return {words[len(part) == 1].format(part[0], part[-1]): part for part in (small, large)}


def difference(plus, minus):
    """Effect: lead in accuracy of one kind over another, averaged over small and over large batches of two or more."""

    def effect(wide):
        lead = wide[plus] - wide[minus]
        return _labelled({words: lead[sizes].mean(axis=1) for words, sizes in _ranges(wide).items()})

    return _both_ways(effect)


@_both_ways
def most_of_all_small(wide):
    """Lead of LN over BN, averaged over small batches, minus the same over large ones."""
    lead = wide["ln"] - wide["bn"]
    small, large = _ranges(wide).values()
    return _labelled({"": lead[small].mean(axis=1) - lead[large].mean(axis=1)})


@_both_ways
def steadier(wide):
    """Standard deviation of accuracy over the batch sizes, of BN minus of WS."""
    return _labelled({"": wide["bn"].std(axis=1, ddof=0) - wide["ws"].std(axis=1, ddof=0)})


def not_mended(tables):
    """Accuracy of WS + BN at batch 64 minus at batches of one and two."""
    wide = _plain(tables)["ws_bn"]
    small = [size for size in wide if size <= 2] or [min(wide)]
    return _labelled({f"batch {size}": wide[64] - wide[size] for size in small})


def best_of_all(tables):
    """WS + BN at its best batch size minus the best of the other kinds of the report at its own."""
    effects = []
    for _, wide in _plain(tables).groupby("data"):
        mean = wide.mean().drop(["gn", "ghost_bn"], level="normalization")
        rival = mean.drop("ws_bn", level="normalization").idxmax()
        effects.append(wide["ws_bn"][mean["ws_bn"].idxmax()] - wide[rival])
    return _labelled({"": pd.concat(effects)})


def ws_bn_at_each(tables):
    """Lead of WS + BN over WS at each small batch size."""
    wide = _plain(tables)
    lead = wide["ws_bn"] - wide["ws"]
    return _labelled({f"batch {size}": lead[size] for size in lead if size <= SMALL_RANGE})


def _lead_on_glass(tables):
    wide = at_better_rate(tables["epochs"])
    lead = (wide["ln"] - wide["bn"]).reset_index("features").dropna(axis=1)
    sizes = [size for size in lead if size != "features"]
    return lead[lead.features != "as they are"].set_index("features", append=True)[sizes]


def ln_by_features(tables):
    """Lead of LN over BN on the table, for each correlation of its features and batch size."""
    lead = _lead_on_glass(tables)
    return _labelled(
        {
            f"{level}, batch {size}": lead.xs(level, level="features")[size]
            for level in _features.LEVELS
            for size in lead
        }
    )


def more_when_correlated(tables):
    """That lead with correlated minus with decorrelated features."""
    lead = _lead_on_glass(tables)
    gain = lead.xs("correlated", level="features") - lead.xs("decorrelated", level="features")
    return _labelled({f"batch {size}": gain[size] for size in gain})

"""Effects of the claims of `placement`, and the tables of Tang & Fong with ours beside them."""

import numpy as np
import pandas as pd

from bnkeras.studies import _common
from bnkeras.studies._trainability import STEADY, plain, summary

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
SINGLE = ("block 1", "block 2", "block 3", "block 4")


def table_1(runs):
    """The rows of the paper's table 1 with the runs that belong to each: `(words, reported stable, stuck, runs)`."""
    for model, placement, rate, accuracy, stable in dict.fromkeys(TABLE_1):
        chosen = plain(runs, model=model, placement=placement, learning_rate=rate)
        chosen = chosen[chosen.data.str.startswith("faces")]
        words = f"model {model}, {'BN' if placement == 'all' else 'base'}, learning rate {rate:g}"
        yield words, accuracy, stable, chosen


def as_reported(column):
    """Effect: for every row of table 1, the share of runs whose `column` is as reported, less one half."""

    def effect(tables):
        effects = {}
        for words, accuracy, stable, runs in table_1(summary(tables)):
            reported = stable if column == "stable" else accuracy < 50
            effects[words] = (runs.set_index("seed")[column] == reported) - 0.5
        return pd.concat(effects, names=["condition", "seed"])

    return effect


def placements(tables, value="accuracy", words=""):
    """Accuracy in percent of each placement in model 2: a row per condition (data, learning rate, variant) and seed."""
    runs = summary(tables).query("model == 2")
    runs = runs.assign(condition=[_condition(run) + words for run in runs.itertuples()])
    wide = runs.pivot(index=["condition", "seed"], columns="placement", values=value)
    return wide.dropna(subset=[name for name in SINGLE if name in wide])


def _condition(run):
    variants = (", augmented" if run.augment else "", ", before the pool" if run.before_pool else "")
    return f"{run.data}, learning rate {run.learning_rate:g}{''.join(variants)}"


def _both_ways(effect):
    """An effect of the placements' accuracies, with moving averages and with the population's statistics."""

    def combined(tables):
        population = placements(tables, "population", ", with the population's statistics")
        return pd.concat([effect(placements(tables)), effect(population)])

    return combined


@_both_ways
def fall_per_block(wide):
    """Points of accuracy lost for each block that the layer moves back: minus the slope of a line through the four."""
    x = np.arange(4) - 1.5
    return -(wide[list(SINGLE)] @ x) / (x @ x)


@_both_ways
def first_over_last(wide):
    """Accuracy with the layer after block 1 minus after block 4."""
    return wide["block 1"] - wide["block 4"]


@_both_ways
def first_over_best_other(wide):
    """Accuracy with the layer after block 1 minus after the best other block, by mean over seeds."""
    others = wide[list(SINGLE[1:])]
    best = others.groupby(level="condition").mean().idxmax(axis=1)
    chosen = [row[best[condition]] for (condition, _), row in others.iterrows()]
    return wide["block 1"] - np.array(chosen)


def lag_at_last(tables):
    """Accuracy with the layer after block 4, with the population's statistics minus with moving averages."""
    return placements(tables, "population")["block 4"] - placements(tables)["block 4"]


def _contrast(tables, value):
    """Base and BN after every block in models 1 and 2 on faces, side by side: index model, rate, seed."""
    runs = plain(summary(tables))
    runs = runs[runs.data.str.startswith("faces") & runs.model.isin([1, 2]) & runs.placement.isin(["none", "all"])]
    return runs.pivot(index=["model", "learning_rate", "seed"], columns="placement", values=value).dropna(how="all")


def lead(value, factor=1):
    """Effect: BN minus base in `value`, times a factor, at every learning rate above the smallest."""

    def effect(tables):
        wide = _contrast(tables, value).astype("float64")
        difference = factor * (wide["all"] - wide["none"])
        rates = difference.index.get_level_values("learning_rate")
        return _common.labelled(difference[rates > rates.min()], ("model", "learning_rate"))

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
    return _common.labelled(largest["all"] - largest["none"], ("model",))


def sooner(value, base_rate, bn_rate):
    """Effect: epochs to `SHARE` of the final accuracy, base at one rate minus BN at another."""

    def effect(tables):
        wide = _contrast(tables, value)
        base, bn = wide["none"].xs(base_rate, level="learning_rate"), wide["all"].xs(bn_rate, level="learning_rate")
        return _common.labelled(base - bn, ("model",))

    return effect


def _swapped_and_not(tables):
    runs = plain(summary(tables), placement="none")
    return runs[runs.data.str.startswith("faces")]


def swapped(tables):
    """Test accuracy that model 3 lacks to model 1, beyond one point, at each learning rate."""
    runs = _swapped_and_not(tables)
    wide = runs.pivot(index=["learning_rate", "seed"], columns="model", values="accuracy")
    return _common.labelled((wide[1] - wide[3] - 1).dropna(), ("learning_rate",))


def mostly_stuck(tables):
    """Share of runs of model 3 that are stuck, less one half, at each learning rate."""
    runs = _swapped_and_not(tables).query("model == 3").set_index(["learning_rate", "seed"])
    return _common.labelled(runs.stuck - 0.5, ("learning_rate",))


def beside_table_1(tables):
    """The paper's table 1 with ours beside it: a row for each of its rows, as text."""
    runs = plain(summary(tables))
    runs = runs[runs.data.str.startswith("faces")]
    rows = []
    for model, placement, rate, accuracy, stable in TABLE_1:
        chosen = runs[(runs.model == model) & (runs.placement == placement) & (runs.learning_rate == rate)]
        rows.append(
            {
                "model": str(model),
                "BN": "yes" if placement == "all" else "no",
                "learning rate": f"{rate:g}",
                "reported": f"{accuracy:g}, {'stable' if stable else 'unstable'}",
                "accuracy": _mean(chosen.accuracy),
                "stable": f"{chosen.stable.sum()} of {len(chosen)}",
                "stuck": f"{chosen.stuck.sum()} of {len(chosen)}",
            }
        )
    return pd.DataFrame(rows)


def beside_table_2(tables, learning_rate=0.01):
    """The paper's table 2 with ours beside it: a row for each placement, as text."""
    runs = summary(tables).query("model == 2 and learning_rate == @learning_rate and not before_pool.astype('bool')")
    rows = {kind: {"BN after": kind} for kind in ("none", *SINGLE, "all")}
    for kind, row in rows.items():
        for (name, augment), chosen in runs.groupby(["data", "augment"], sort=False):
            reported = dict(zip(SINGLE, TABLE_2.get(name.removesuffix("_drawn"), ()), strict=False))
            here = chosen[chosen.placement == kind]
            words = f"{name}, augmented" if augment else name
            row[f"{name}, reported"] = f"{reported[kind]:.2f}" if kind in reported else ""
            row[words] = _mean(here.accuracy)
            row[f"{words}, population"] = _mean(here.population)
    return pd.DataFrame(rows.values())


def _mean(values):
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"

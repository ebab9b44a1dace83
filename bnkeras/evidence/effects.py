"""Effects of claims: differences paired by seed, with the conditions as index levels."""

import pandas as pd

from bnkeras.evidence.seeds import FIRST

STUCK = 0.95
"""A network reaches the entropy of the labels, in its training loss, without a look at its input."""


def where(table, **settings):
    """The rows whose columns have the values of `settings`."""
    for name, value in settings.items():
        table = table[table[name] == value]
    return table


def headline(table, **settings):
    """The rows of a headline's runs: those of its seeds, and of the values of `settings`."""
    return where(table[table.seed >= FIRST], **settings)


def paired(table, value, contrast, plus, minus, by=()):
    """Difference of `value` between two levels of the column `contrast`, paired by seed.

    Args:
        table: `DataFrame` with one row per seed, level and condition.
        value: Column of the measured value.
        contrast: Column that tells the two levels apart.
        plus, minus: The levels; the effect is `value[plus] - value[minus]`.
        by: Columns whose values make the condition.

    Returns:
        A Series of effects indexed by `by` and `seed`, missing where one of the levels is.
    """
    wide = table.pivot_table(index=[*by, "seed"], columns=contrast, values=value, dropna=False, observed=True)
    wide = wide.reindex(columns=[plus, minus])
    return wide[plus] - wide[minus]


def last_epoch(table, settings):
    """The row of the last epoch of every run, a run being told apart by the columns `settings`."""
    return table.loc[table.groupby(list(settings), sort=False)["epoch"].idxmax()]


def at_inference(table, way):
    """The rows of a way of inference, and those of networks that have only one."""
    return table[table.inference.isin([way, "none"])]


def stuck(train_loss, entropy):
    """Whether networks learned nothing: the loss is not below `STUCK` of the labels' entropy, or is no number."""
    return ~(train_loss.astype(float) < STUCK * entropy)


def no_effects(*levels):
    """Effects of no run at all, with some index levels and `seed`."""
    index = pd.MultiIndex.from_tuples([], names=[*levels, "seed"]) if levels else pd.Index([], name="seed")
    return pd.Series(dtype="float64", index=index)


def drops(wide, reference):
    """Values at a reference minus those at each number below it.

    Args:
        wide: `DataFrame` with a column for each number and effects' index.
        reference: Which of them.

    Returns:
        A Series with the number as the first level of its index; empty where the reference was not run.
    """
    below = {number: wide[reference] - wide[number] for number in wide if number < reference and reference in wide}
    if not below:
        return no_effects(wide.columns.name, *(name for name in wide.index.names if name != "seed"))
    return pd.concat(below, names=[wide.columns.name])


def at(effects, **levels):
    """The effects at values of index levels, which go from the index; none where the values do not appear."""
    for name, value in levels.items():
        effects = effects[effects.index.get_level_values(name) == value].droplevel(name)
    return effects


def least(effect, level, needed):
    """An effect at that value of an index level at which its mean over the seeds is the least.

    There is none where a value of `needed` was not run, save on stand-ins and samples, which need not have them all.

    Args:
        effect: Function from tables to effects.
        level: Name of the index level.
        needed: Values of that level.

    Returns:
        A function from tables to effects without that level.
    """

    def chosen(tables):
        effects = effect(tables)
        means = effects.groupby(level=level).mean()
        complete = {*needed} <= {*means.index} or tables["epochs"].source.str.contains("stand-in|sample").all()
        return at(effects, **{level: means.idxmin() if len(means) and complete else None})

    return chosen

"""What the study measures: the paper's tables, and effects of networks that share a seed."""

import pandas as pd

from bnkeras.evidence.effects import at, headline, paired

BALANCED, RANDOM = "balanced", "random"
OWN, POPULATION, MOVING = "batch's own", "population", "moving averages"
# Training, inference, error in % with 20 and 44 layers.
TABLE_2 = ((RANDOM, POPULATION, 4.45, 3.89), (BALANCED, POPULATION, 4.47, 3.9), (BALANCED, OWN, 0.97, 0.69))
# Classes: errors in % as in the rows of table 2, then with crops in shuffled batches.
TABLE_3_AND_5 = {10: (5.97, 5.9, 1.1, 0.2), 50: (7.3, 7.34, 3.32, 2.04), 100: (10.1, 10.14, 6.74, 5.5)}
_SIZES, _QUICK_SIZES = (10, 50, 100), (4, 10, 20)


def on_cifar10(table):
    """The rows of the headlines' network on CIFAR-10, that of the fewest layers."""
    table = of_set(table, "cifar10")
    return table[table.depth == table.depth.min()]


def on_subsets(table):
    """The rows of the headlines' networks on subsets of classes."""
    return of_set(table, "tiny")


def of_set(table, data):
    """The rows of the headlines' seeds and of a set, in float32 where there are runs in half precision too."""
    table = headline(table[table.data.str.startswith(data)])
    return table[table["dtype"] == table["dtype"].min()]


def sizes(table):
    """The numbers of classes that stand for the paper's."""
    return _QUICK_SIZES if table.data.str.endswith("drawn").any() else _SIZES


def errors(epochs):
    """The rows with test errors in percent as `error`."""
    return epochs.assign(error=100 * (1 - epochs.test_accuracy))


def final(epochs):
    """The rows after the last epoch, with errors."""
    return errors(epochs[epochs.epoch == epochs.epochs])


def gain(epochs, by=(), batches=BALANCED, standard=POPULATION):
    """Test error by standard inference minus that in balanced batches by their own statistics."""
    return paired(epochs[epochs.batches == batches], "error", "inference", standard, OWN, by).dropna()


def cost(epochs, by=(), way=POPULATION):
    """Test error by standard inference of networks trained on balanced minus on random batches."""
    return paired(epochs[epochs.inference == way], "error", "batches", BALANCED, RANDOM, by).dropna()


def gain_along(epochs, standard=POPULATION):
    """The gain at each epoch at which it was measured."""
    return gain(errors(epochs), ["epoch"], standard=standard)


def least_gain(tables):
    """The least gain of the second half of the epochs."""
    epochs = on_cifar10(tables["epochs"])
    return gain_along(epochs[2 * epochs.epoch > epochs.epochs]).groupby("seed").min()


def gain_by_classes(tables, relative=False, batches=BALANCED):
    """The gain with each number of classes, in points or in percent of the error by standard inference."""
    rows = final(on_subsets(tables["epochs"]))
    gains = gain(rows, ["classes"], batches)
    if not relative:
        return gains
    standard = rows[(rows.inference == POPULATION) & (rows.batches == batches)].set_index(["classes", "seed"]).error
    return 100 * gains / standard.reindex(gains.index)


def of_all_sizes(effects, tables):
    """Effects as a row a seed and a column a number of classes; none where one of the paper's is missing."""
    wanted = list(sizes(tables["epochs"]))
    if not {*wanted} <= {*effects.index.get_level_values("classes")}:
        return pd.DataFrame(columns=wanted, index=pd.Index([], name="seed"), dtype=float)
    return effects.unstack("classes")[wanted].dropna()


def shrinkage(tables):
    """Relative gain with the fewest classes minus that with the most."""
    gains = of_all_sizes(gain_by_classes(tables, relative=True), tables)
    return gains[gains.columns.min()] - gains[gains.columns.max()]


def from_fewest_classes(tables):
    """Relative gain with the fewest classes minus that with each other number."""
    gains = gain_by_classes(tables, relative=True)
    fewest = at(gains, classes=min(sizes(tables["epochs"])))
    others = gains[gains.index.get_level_values("classes") != min(sizes(tables["epochs"]))]
    return (fewest.reindex(others.index.get_level_values("seed")).to_numpy() - others).dropna()


def shuffling(crops, by=()):
    """Error of balanced inference with crops in one batch minus in shuffled batches."""
    rows = crops[crops.batches == BALANCED]
    return paired(rows, "error", "crops", "crops in one batch", "crops in shuffled batches", by).dropna()


def shuffling_by_classes(tables):
    """The same with each number of classes."""
    return shuffling(on_subsets(tables["crops"]), ["classes"])


def identity_taken(tables, kind="weak", share="replaced", batches=BALANCED):
    """Share of the steps at which images of a kind take the class replaced, in points above one half."""
    rows = on_cifar10(tables["travel"])
    rows = rows[(rows.kind == kind) & (rows.batches == batches)]
    return rows.set_index("seed")[share].astype(float) - 50


def rebalanced(tables):
    """Accuracy after each round of rebalancing minus that before the first."""
    rows = on_cifar10(tables["rounds"])
    wide = rows[rows.batches == BALANCED].pivot(index="seed", columns="round", values="accuracy")
    return wide.drop(columns=0).sub(wide[0], axis=0).unstack()


def last_round(tables):
    """Accuracy after the last round minus that before the first."""
    gains = rebalanced(tables)
    return gains.xs(gains.index.get_level_values("round").max(), level="round")


def assigned(tables, batches=BALANCED):
    """Error by standard inference minus that of the best one-to-one assignment within balanced batches."""
    rows = on_cifar10(tables["composition"]).query("composition == 'balanced' and statistics == @POPULATION")
    return paired(rows[rows.batches == batches], "error", "answer", "largest output", "best assignment").dropna()


def random_own(tables):
    """Error by standard inference minus that in random batches by their own statistics."""
    rows = on_cifar10(tables["composition"]).query("batches == @BALANCED and answer == 'largest output'")
    random = rows[(rows.composition == RANDOM)].set_index("seed").error
    return (rows[rows.statistics == POPULATION].set_index("seed").error - random).dropna()


def ended(effect, by=None, **options):
    """An effect of the errors on CIFAR-10 after the last epoch, as a function of the tables; `by`: at any depth."""
    if by is None:
        return lambda tables: effect(final(on_cifar10(tables["epochs"])), **options)
    return lambda tables: effect(final(of_set(tables["epochs"], "cifar10")), by, **options)

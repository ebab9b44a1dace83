"""Claims B2 to B6, F1 and F2: kinds of normalization compared, each at the rate that validation chose for it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from bnkeras.evidence.claims import NOT_ABOVE, Claim, Measure
from bnkeras.evidence.effects import at, at_inference, drops, headline, no_effects
from bnkeras.evidence.seeds import FIRST

PIXELS, PLAIN = "as they are", ("as they are", "standardized")
SMALLEST, SMALL, REFERENCE = 2, 10, 64
LEAST_SIZES = 3  # without which nothing is said of the spread over sizes
REPORTED = ("none", "bn", "ln", "ws", "ws_bn")  # the kinds of the report
UNSCALED = "ws, scale 1"
FORM = ["activation", "stddev"]
WAYS = ("population", "moving averages")
_SETTING = ["budget", "data", "features", "normalization", "batch_size"]


def chosen(tables, way="population", budget="epochs"):
    """The rows of each kind at its chosen rate, as BN infers in one way: the best on validation, by mean over seeds."""
    rows = at_inference(headline(tables["epochs"], budget=budget), way)
    unscaled = (rows.normalization == "ws") & (rows.ws_scale == 1)
    rows = rows.assign(normalization=rows.normalization.mask(unscaled, UNSCALED))
    mean = rows.groupby([*_SETTING, "learning_rate"])["validation_accuracy"].mean().dropna()
    best = mean.groupby(_SETTING).idxmax()
    return rows.set_index([*_SETTING, "learning_rate"]).loc[best].reset_index()


def points(rows, value="test_accuracy"):
    """Accuracy in points, with columns `(normalization, batch_size)` and rows `data`, `features`, `seed`."""
    index, columns = ["data", "features", "seed"], ["normalization", "batch_size"]
    return 100 * rows.pivot(index=index, columns=columns, values=value)


def _by_seed(wide):
    """The accuracies of one set, by seed alone, without kinds that were not trained there."""
    return wide.droplevel(["data", "features"]).dropna(axis=1, how="all")


def on_images(effect):
    """An effect of the accuracies on images, at equal epochs and with the population's statistics."""

    def of_images(tables):
        wide = points(chosen(tables))
        return effect(_by_seed(wide[wide.index.isin([PIXELS], "features")]))

    return of_images


def explored(effect):
    """The same effect on both sets, with both ways of inference and both budgets."""

    def everywhere(tables):
        parts = {}
        for budget in tables["epochs"].budget.unique():
            for way in WAYS:
                wide = points(chosen(tables, way, budget))
                for data, part in wide[wide.index.isin(PLAIN, "features")].groupby(level="data"):
                    parts[data, way, budget] = effect(_by_seed(part))
        return pd.concat(parts, names=["data", "inference", "budget"])

    return everywhere


def by_form(effect):
    """An effect of the headline's for each activation and initial deviation of the map."""

    def over_the_map(tables):
        epochs = tables["epochs"]
        epochs = epochs[epochs.seed < FIRST]
        # Effects look at the headlines' seeds alone.
        parts = epochs.assign(seed=epochs.seed + FIRST).groupby(FORM, sort=False)
        effects = {form: effect({"epochs": part}).rename(lambda seed: seed - FIRST) for form, part in parts}
        return pd.concat(effects, names=FORM).sort_index() if effects else no_effects(*FORM)

    return over_the_map


def of_kind(wide, kind, sizes=range(1, 1025)):
    """The columns of a kind, by batch size; none where it was not trained at that size."""
    there = [(kind, size) for size in wide.columns.unique("batch_size") if size in sizes and (kind, size) in wide]
    return wide[there].droplevel("normalization", axis=1)


def lead_at_small(plus, minus):
    """Lead in accuracy of one kind over another, mean of batches 2 to 10."""
    sizes = range(SMALLEST, SMALL + 1)
    return lambda wide: (of_kind(wide, plus, sizes) - of_kind(wide, minus, sizes)).mean(axis=1, skipna=False)


def lead_at(plus, minus, size):
    """Lead in accuracy of one kind over another at a batch size."""
    return lambda wide: wide.get((plus, size), np.nan) - wide.get((minus, size), pd.Series(np.nan, wide.index))


def lead_at_each(plus, minus):
    """Lead in accuracy of one kind over another at each batch size."""
    return lambda wide: (of_kind(wide, plus) - of_kind(wide, minus)).stack().dropna().swaplevel().sort_index()


def steadier(wide):
    """Standard deviation of accuracy over the batch sizes from 2 up, of BN minus of WS; three sizes or more."""
    bn, ws = (of_kind(wide, kind, range(SMALLEST, 1025)) for kind in ("bn", "ws"))
    if min(bn.shape[1], ws.shape[1]) < LEAST_SIZES:
        return pd.Series(np.nan, wide.index)
    return bn.std(axis=1, ddof=0, skipna=False) - ws.std(axis=1, ddof=0, skipna=False)


def still_failing(wide):
    """Accuracy of WS + BN at batch 64 minus at each smaller batch."""
    return drops(of_kind(wide, "ws_bn"), REFERENCE)


def best_of_all(data):
    """Effect: WS + BN at its best batch size minus the best other kind at its own; validation chooses the sizes."""

    def effect(tables):
        rows = chosen(tables)
        rows = rows[rows.features.isin(PLAIN) & rows.normalization.isin(REPORTED)]
        rows = rows[(rows.features == PIXELS) == (data == "images")]
        mean = points(rows, "validation_accuracy").mean()
        if "ws_bn" not in mean.index:
            return no_effects()
        rival = mean.drop("ws_bn", level="normalization").idxmax()
        wide = points(rows).droplevel(["data", "features"])
        return wide["ws_bn", mean["ws_bn"].idxmax()] - wide[rival]

    return effect


def by_features(tables):
    """Lead of LN over BN on the table, for each correlation of its features and batch size."""
    wide = points(chosen(tables)).drop(PIXELS, level="features", errors="ignore").droplevel("data")
    if wide.empty:
        return no_effects("features", "batch_size")
    lead = (wide["ln"] - wide["bn"])[[10, REFERENCE]].stack()
    return lead.reorder_levels(["features", "batch_size", "seed"])


def more_when_correlated(tables):
    """That lead with correlated minus with decorrelated features, at each batch size."""
    lead = by_features(tables)
    if lead.empty:
        return lead.droplevel("features")
    return (lead["correlated"] - lead["decorrelated"]).dropna()


def _claim(id, sentence, headline, *more, reported="figure", **options):
    unknown = "" if options.get("open") else "learning rate (0.01 to 10, chosen on validation)"
    if id != "F2":
        forms = replace(headline, words=f"{headline.words}, by initial deviation", effect=by_form(headline.effect))
        more = (*more, forms)
    return Claim(id, "mnist-report", sentence, reported, headline, more, unknown, **options)


def _accuracy(words, effect, side="above", smallest=1):
    return Measure(f"test accuracy, {words}", effect, "points", smallest, side)


_SMALL_MEAN = "mean of batches 2 to 10"
_STEADY = "standard deviation of test accuracy over batches from 2 up, BN minus WS"

CLAIMS = (
    _claim(
        "B2",
        "Layer normalization beats batch normalization, most of all at small batches.",
        _accuracy(f"LN minus BN, {_SMALL_MEAN}", on_images(lead_at_small("ln", "bn"))),
        _accuracy("LN minus BN", explored(lead_at_each("ln", "bn"))),
        plain=(
            "LN beats BN at small batches.",
            "LN and BN do alike at small batches.",
            "BN beats LN at small batches.",
        ),
    ),
    _claim(
        "B3",
        "Weight standardization alone is worse than batch normalization.",
        _accuracy("BN minus WS, batch 64", on_images(lead_at("bn", "ws", REFERENCE))),
        _accuracy("BN minus WS", explored(lead_at_each("bn", "ws"))),
        _accuracy("BN minus WS that starts at the scale 1", explored(lead_at_each("bn", UNSCALED))),
        plain=(
            "WS alone is worse than BN at batches of 64.",
            "WS alone and BN do alike at batches of 64.",
            "WS alone is better than BN at batches of 64.",
        ),
    ),
    _claim(
        "B4",
        "Weight standardization alone is steadier over batch sizes than batch normalization.",
        Measure(_STEADY, on_images(steadier), "points", 0.5),
        Measure(_STEADY, explored(steadier), "points", 0.5),
        plain=(
            "WS alone is steadier over batch sizes than BN.",
            "WS alone is as steady as BN.",
            "WS alone is less steady than BN.",
        ),
    ),
    _claim(
        "B5",
        "Both together do not mend batch normalization's failure at small batches.",
        _accuracy("WS + BN minus BN, batch 2", on_images(lead_at("ws_bn", "bn", SMALLEST)), NOT_ABOVE),
        _accuracy("WS + BN minus BN", explored(lead_at_each("ws_bn", "bn")), NOT_ABOVE),
        _accuracy("WS + BN, batch 64 minus the small batch", explored(still_failing)),
        plain=(
            "WS mends BN at batches of two.",
            "WS changes nothing that matters at batches of two.",
            "WS makes BN worse at batches of two.",
        ),
    ),
    _claim(
        "B6",
        "Both together are the best of all models, each at its best batch size.",
        _accuracy("WS + BN minus the best other kind, each at its best batch size", best_of_all("images")),
        _accuracy("WS + BN minus the best other kind, each at its best batch size, BNG(glass)", best_of_all("table")),
        plain=(
            "WS + BN is the best of all.",
            "WS + BN is level with the best other kind.",
            "Another kind is better than WS + BN.",
        ),
    ),
    _claim(
        "F1",
        "How do WS + BN and WS alone compare at batch sizes from 1 to 10?",
        _accuracy(f"WS + BN minus WS, {_SMALL_MEAN}", on_images(lead_at_small("ws_bn", "ws"))),
        _accuracy("WS + BN minus WS", explored(lead_at_each("ws_bn", "ws"))),
        reported="open question",
        open=True,
        plain=(
            "WS + BN is ahead of WS alone at small batches.",
            "WS + BN and WS alone do alike at small batches.",
            "WS alone is ahead of WS + BN at small batches.",
        ),
    ),
    _claim(
        "F2",
        "Does layer normalization gain on batch normalization where features are correlated (BNG(glass))?",
        _accuracy(
            "lead of LN over BN, correlated minus decorrelated features, batch 64",
            lambda tables: at(more_when_correlated(tables), batch_size=REFERENCE),
        ),
        _accuracy("lead of LN over BN, correlated minus decorrelated features", more_when_correlated),
        _accuracy("lead of LN over BN", by_features),
        reported="open question",
        open=True,
        plain=(
            "LN gains on BN where features are correlated.",
            "Correlated features change nothing that matters.",
            "LN loses against BN where features are correlated.",
        ),
    ),
)

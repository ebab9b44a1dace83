"""Figures of the study: all kinds at their better rate, WS and BN at small batches, correlated features."""

import pandas as pd

from bnkeras.studies.ln_bn_ws.claims import SMALL, WAYS, at_better_rate

_KINDS = ["none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn"]


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    epochs = results.tables["epochs"]
    caption = f"each kind at its better learning rate; {plots.describe(results)}"
    points = pd.concat({way: at_better_rate(results.tables, way) for way in WAYS}, names=["inference"])
    points = points.reindex(columns=[kind for kind in _KINDS if kind in points], level="normalization")
    points = points.stack(["normalization", "batch_size"], future_stack=True).dropna()
    points = points.rename("test accuracy (%)").reset_index()
    plain = points[points.features.isin(["as they are", "standardized"])]
    small = plain[plain.normalization.isin(["bn", "ws", "ws_bn"]) & (plain.batch_size <= SMALL)]
    options = {"style": "normalization", "row": "inference", "col": "data", "caption": caption, "log": ["x"]}
    axes = ("batch_size", "test accuracy (%)")
    return {
        "accuracy": plots.lines(plain, *axes, **options, ticks=sorted(plain.batch_size.unique())),
        "small": plots.lines(small, *axes, **options, ticks=sorted(small.batch_size.unique())),
        "features": _features(plots, points, epochs[epochs.features != "as they are"], results),
    }


def _features(plots, points, epochs, results):
    """Lead of LN over BN for each correlation of the features."""
    correlation = epochs.groupby("features")["mean_correlation"].mean().sort_values()
    glass = points[(points.inference == WAYS[0]) & points.features.isin(correlation.index)]
    wide = glass.pivot(index=["features", "batch_size", "seed"], columns="normalization", values="test accuracy (%)")
    lead = (wide["ln"] - wide["bn"]).unstack("features").dropna().stack("features")
    lead = lead.rename("accuracy, LN minus BN (points)").reset_index()
    lead["features"] = pd.Categorical(lead.features, correlation.index)
    words = {level: f"{level}\nmean |correlation| {value:.2f}" for level, value in correlation.items()}
    lead = lead.sort_values(["batch_size", "features"]).assign(features=lambda table: table.features.map(words))
    axes = ("features", "accuracy, LN minus BN (points)")
    return plots.dots(lead, *axes, hue="batch_size", caption=plots.describe(results, epochs))

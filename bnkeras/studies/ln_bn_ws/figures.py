"""Figures of the study: all kinds at their chosen rate, WS and BN at small batches, correlated features."""

import textwrap

import pandas as pd

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.seeds import FIRST
from bnkeras.studies.ln_bn_ws.claims import CLAIMS, PLAIN, SMALL, UNSCALED, WAYS, by_features, chosen, points

_KINDS = ["none", "bn", "ln", "ws", UNSCALED, "ws_bn", "gn", "ghost_bn"]
_AXES = ("batch_size", "test accuracy (%)")


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says = report.sentences(judge(CLAIMS, results.tables))
    table = accuracies(results.tables)
    plain = table[table.features.isin(PLAIN)]
    rows = chosen(results.tables)
    rows = rows[rows.features.isin(PLAIN)]
    source = plots.describe(results, rows, ("source", "normalization", "batch_size"))
    caption = f"each kind at the rate that validation chose; {source}"
    pair = plain[plain.normalization.isin(["bn", "ws", "ws_bn"])]
    options = {"style": "normalization", "row": "inference", "col": "data", "caption": caption, "log": ["x"]}
    ticks = sorted(plain.batch_size.unique())
    drawn = {
        "accuracy": plots.lines(plain, *_AXES, **options, ticks=ticks, title=f"{says['B2']}. {says['B6']}"),
        "weights": plots.lines(pair, *_AXES, **options, ticks=ticks, title=f"{says['B3']}. {says['B4']}"),
    }
    small = pair[pair.batch_size <= SMALL]
    drawn["small"] = plots.lines(small, *_AXES, **options, ticks=ticks[: small.batch_size.nunique()], title=says["F1"])
    lead = by_features(results.tables)
    if len(lead):
        drawn["features"] = _features(results, lead, says["F2"])
    if (results.tables["epochs"].seed < FIRST).any():
        drawn["map"] = _map(results)
    return drawn


def _map(results):
    """The headlines' effects for other initial deviations and activations."""
    epochs = results.tables["epochs"]
    parts = {
        textwrap.fill(f"{claim.id}: {claim.headline.words}", 32): claim.explored[-1].effect(results.tables)
        for claim in CLAIMS
        if claim.id != "F2"
    }
    effects = pd.concat(parts, names=["claim"]).rename_axis(index={"stddev": "initial deviation"})
    caption = f"each kind at the rate that validation chose; {plots.describe(results, epochs[epochs.seed < FIRST])}"
    return plots.effect_map(effects, "points", "initial deviation", "claim", reach=10, caption=caption)


def accuracies(tables):
    """Test accuracy of each kind at its chosen rate and equal epochs: a row per way of inference, size and seed."""
    wide = pd.concat({way: points(chosen(tables, way)) for way in WAYS}, names=["inference"])
    wide = wide.reindex(columns=[kind for kind in _KINDS if kind in wide], level="normalization")
    return wide.stack(["normalization", "batch_size"], future_stack=True).dropna().rename(_AXES[1]).reset_index()


def chosen_rates(tables):
    """The learning rate that validation chose for each kind, a column for each batch size, on images."""
    rows = chosen(tables)
    rows = rows[rows.features == PLAIN[0]]
    return (
        rows.pivot_table(index="normalization", columns="batch_size", values="learning_rate")
        .reindex(_KINDS)
        .dropna(how="all")
    )


def _features(results, lead, title):
    """Lead of LN over BN for each correlation of the features."""
    epochs = results.tables["epochs"]
    epochs = epochs[epochs.features != PLAIN[0]]
    correlation = epochs.groupby("features")["mean_correlation"].mean().sort_values()
    words = {level: f"{level}\nmean |correlation| {value:.2f}" for level, value in correlation.items()}
    value = "accuracy, LN minus BN (points)"
    lead = lead.rename(value).reset_index()
    lead["features"] = pd.Categorical(lead.features, correlation.index)
    lead = lead.sort_values(["batch_size", "features"]).assign(features=lambda table: table.features.map(words))
    return plots.dots(lead, "features", value, hue="batch_size", caption=plots.describe(results, epochs), title=title)

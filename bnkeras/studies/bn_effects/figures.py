"""Figures of the study, and the thesis's scoreboard with ours beside it."""

import itertools

import numpy as np
import pandas as pd

from bnkeras.evidence import report
from bnkeras.evidence.claims import REPRODUCED, judge
from bnkeras.studies.bn_effects.claims import (
    BATCH_SIZE,
    CLAIMS,
    CONDITIONS,
    HIGH_RATE,
    OVERHEAD,
    POINTS,
    RATE,
    RUN,
    overheads,
    summary,
    titled,
)

_FINAL = "final test accuracy (%)"
_LAYERS = {"bn": "BatchNormLayer", "keras_bn": "Keras's layer"}
_RATE = f"learning rate {HIGH_RATE:g}"
_ORDER = ["baseline", "sigmoid", _RATE, *list(CONDITIONS)[2:]]
_QUANTITIES = ["log10 of the gradient's norm", "deviation of activations", "dead units (%)"]


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    says, runs = report.sentences(judge(CLAIMS, results.tables)), summary(results.tables)
    drawn, plateaus = {}, _conditions(runs[runs.rule == "plateaus"])
    for network, here in plateaus.groupby("network", sort=False):
        drawn[f"{network.lower()}_final"] = _final(plots, results, here, says["S1"] if network == "CNN" else "")
    curves = titled(results.tables, "curves")
    for network, share in itertools.product(("CNN", "MLP"), ("accuracy", "loss")):
        here = _conditions(curves[curves.network == network])
        if len(here):
            drawn[f"{network.lower()}_{share}"] = _curves(plots, results, here, share)
    drawn |= _batch_sizes(plots, results, runs, says["S7"])
    if "overhead" in results.tables:
        drawn["overhead"] = _overhead(plots, results, says["S8"])
    layers = titled(results.tables, "layers")
    for network, here in layers.groupby("network", sort=False):
        drawn[f"{network.lower()}_layers"] = _layers(plots, results, _conditions(here), says["S11"])
    shift = titled(results.tables, "shift")
    if len(shift):
        drawn["shift"] = _shift(plots, results, shift, says["S6"])
    return drawn


def _conditions(table):
    """The rows at batches of 64 and the two learning rates of the thesis, with a high one as a condition."""
    table = table[(table.batch_size == BATCH_SIZE) & table.learning_rate.isin([RATE, HIGH_RATE])]
    condition = table.condition.where(table.learning_rate == RATE, _RATE)
    return table.assign(condition=condition).sort_values(
        ["set", "condition"], key=lambda column: column.map(_rank), kind="stable"
    )


def _rank(value):
    return _ORDER.index(value) if value in _ORDER else value


def _final(plots, results, runs, title):
    runs = runs.rename(columns={"points": _FINAL})
    caption = f"{runs.network.iloc[0]}; population's statistics; {plots.describe(results, runs, ('set', 'condition'))}"
    figure = plots.dots(runs, "condition", _FINAL, col="set", sharey=False, caption=caption, title=title)
    for axis in figure.axes:
        axis.tick_params(axis="x", labelrotation=45)
    return figure


def _curves(plots, results, curves, share):
    """A row of panels a condition, one a set, as on the slides; a run that was stopped goes on as it ended."""
    value = "validation accuracy (%)" if share == "accuracy" else "loss"
    long = _to_the_end(curves)
    if share == "accuracy":
        long, style, end = long.assign(**{value: 100 * long.validation_accuracy}), {}, "go on as they ended"
    else:
        parts = {"train_loss": "training", "validation_loss": "validation"}
        long = long.rename(columns=parts).melt([*RUN, "source", "epoch"], [*parts.values()], "part", value)
        # From wide weights some start at a loss of 1e20.
        long, style = long[long[value].astype(float) < 1e3], {"style": "part", "log": ["y"]}
        end = "end where their loss is no number"
    options = {"row": "condition", "col": "set", "sharey": "row"} | style
    diverged = curves.drop_duplicates(RUN, keep="last").train_loss.isna().sum()
    caption = f"{diverged} diverged runs {end}; {plots.describe(results, curves, ('set', 'condition'))}"
    return plots.lines(long, "epoch", value, caption=caption, **options)


def _to_the_end(curves):
    ends = curves.drop_duplicates(RUN, keep="last")
    left = (ends.epochs - ends.epoch).astype(int)
    more = ends.loc[ends.index.repeat(left)]
    more = more.assign(epoch=more.epoch + more.groupby(RUN, sort=False).cumcount() + 1)
    return pd.concat([curves, more], ignore_index=True)


def _batch_sizes(plots, results, runs, title):
    """Accuracy against batch size: as the thesis trains, and both papers' networks at rates that stay."""
    value = "test accuracy (%)"
    runs = runs[(runs.condition == "baseline")].rename(columns={"points": value})
    plateaus = runs[(runs.rule == "plateaus") & (runs.learning_rate == RATE)]
    plateaus = plateaus[plateaus.groupby(["network", "set"]).batch_size.transform("nunique") > 1]
    stays = runs[runs.rule.isin(["fixed", "scaled"])]
    drawn = {}
    for name, here, row in (("batch_sizes", plateaus, "set"), ("batch_sizes_from_1", stays, "rule")):
        if len(here):
            caption = f"population's statistics; {plots.describe(results, here, ('network', 'batch_size'))}"
            options = {"row": row, "col": "network", "log": ["x"], "ticks": sorted(here.batch_size.unique())}
            drawn[name] = plots.lines(here, "batch_size", value, caption=caption, title=title, sharey=False, **options)
    return drawn


def _overhead(plots, results, title):
    value = "time added to an epoch (%)"
    table = overheads(results.tables).rename(value).reset_index()
    table["layer"] = table.layer.map(_LAYERS)
    thesis = pd.DataFrame(OVERHEAD.items(), columns=["batch_size", value]).assign(layer="the thesis", network="CNN")
    thesis = [thesis.assign(dtype=dtype) for dtype in dict.fromkeys(table["dtype"])]
    caption = plots.describe(results, results.tables["overhead"], ("network", "dtype", "batch_size"))
    options = {"hue": "layer", "row": "dtype", "col": "network", "log": ["x"], "ticks": list(OVERHEAD)}
    table = pd.concat([table, *thesis], ignore_index=True)
    return plots.lines(table, "batch_size", value, caption=caption, title=title, sharey="row", **options)


def _layers(plots, results, layers, title):
    """Gradient norm, spread of activations and dead units at each layer, at the start, half way, and at the end."""
    steps = layers.groupby(RUN, sort=False).step
    at = {"start": steps.transform("min"), "end": steps.transform("max")}
    at["half way"] = (
        layers.step.where(layers.step >= at["end"] / 2).groupby([layers[name] for name in RUN]).transform("min")
    )
    parts = [layers[layers.step == at[when]].assign(when=when) for when in ("start", "half way", "end")]
    long = pd.concat(parts).rename(columns={"std": _QUANTITIES[1]})
    long[_QUANTITIES[0]] = np.log10(long.gradient_norm.clip(lower=1e-12))
    long[_QUANTITIES[2]] = 100 * long.dead
    long["layer"] = long.layer.str.extract(r"(\d+)$", expand=False)
    long = long.melt([*RUN, "source", "when", "layer"], _QUANTITIES, "quantity", "value")
    options = {"row": "quantity", "col": "condition", "style": "when", "sharey": "row"}
    caption = plots.describe(results, layers, ("condition",))
    return plots.lines(long, "layer", "value", caption=caption, title=title, **options)


def _shift(plots, results, shift, title):
    value = "variance, inference over training"
    shift = shift[shift.inference == "moving averages"].rename(columns={"shift": value})
    caption = f"input of each batch normalization layer; {plots.describe(results, shift, ('network', 'condition'))}"
    options = {"hue": "condition", "col": "network", "sharey": False}
    return plots.dots(shift, "layer", value, caption=caption, title=title, **options)


def scoreboard(verdicts):
    """Who gets the point under each condition, on the slides and by the verdicts here: a row a claim, then the sums.

    A point goes to batch normalization where the interval of its lead lies above 0, to vanilla where it lies below, and
    is a draw where no difference matters; for time, vanilla gets it where the claim is reproduced. Else it is open.
    """
    rows = [
        {"claim": row.claim.id, "sentence": row.claim.sentence, "slides": POINTS[row.claim.id], "here": _point(row)}
        for row in verdicts.itertuples()
        if row.claim.id in POINTS
    ]
    table = pd.DataFrame(rows)
    sums = {name: _sum(table[name]) for name in ("slides", "here")}
    return pd.concat([table, pd.DataFrame([{"claim": "", "sentence": "points"} | sums])], ignore_index=True)


def _point(row):
    if row.claim.id == "S8":
        return "vanilla" if row.verdict == REPRODUCED else "open"
    if not row.low <= row.high:
        return "open"
    d = row.measure.smallest
    within = -d < row.low and row.high < d
    return "draw" if within else "BN" if row.low > 0 else "vanilla" if row.high < 0 else "open"


def _sum(column):
    counts = column.value_counts()
    return ", ".join(f"{name} {counts[name]}" for name in ("BN", "vanilla", "draw", "open") if name in counts)


def beside_table_of_times(tables):
    """What batch normalization adds to an epoch of the CNN, the thesis's figures with ours beside them, as text."""
    ours = overheads(tables)
    ours = ours[ours.index.get_level_values("network") == "CNN"]
    rows = []
    for size, reported in OVERHEAD.items():
        row = {"batch size": str(size), "the thesis (%)": f"{reported:g}"}
        for (dtype, layer), part in ours.groupby(level=["dtype", "layer"], sort=False):
            here = part[part.index.get_level_values("batch_size") == size]
            row[f"{_LAYERS[layer]}, {dtype} (%)"] = f"{here.mean():.1f} ± {here.std(ddof=1):.1f}" if len(here) else ""
        rows.append(row)
    return pd.DataFrame(rows)

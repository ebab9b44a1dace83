"""Figures of the study, and the thesis's scoreboard with ours beside it."""

import numpy as np
import pandas as pd

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import REPRODUCED, judge, side
from bnkeras.studies.bn_effects.claims import CLAIMS, POINTS
from bnkeras.studies.bn_effects.effects import (
    BATCH_SIZE,
    HIGH_RATE,
    OVERHEAD,
    RATE,
    RUN,
    SETS,
    overheads,
    summary,
    titled,
)

_FINAL = "final test accuracy (%)"
_LAYERS = {"bn": "BatchNormLayer", "keras_bn": "Keras's layer"}
_RATE = f"learning rate {HIGH_RATE:g}"
_CONDITIONS = ("baseline", "sigmoid", _RATE, "N(0, 1)", "weight decay", "dropout", "ELU")
_ORDER = (*SETS, *_CONDITIONS, "public code", "public code, dropout")
_KINDS = {"none": "without", "bn": "with"}
_ENDED = "population's statistics; diverged runs at the accuracy of chance"
_DROPPED = ("baseline", "dropout", "public code", "public code, dropout")
_QUANTITIES = ["log10 of the gradient's norm", "deviation of activations", "dead units (%)"]


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says, runs = report.sentences(judge(CLAIMS, results.tables)), summary(results.tables)
    curves, layers = (_conditions(titled(results.tables, name)) for name in ("curves", "layers"))
    usual = _conditions(runs[runs.rule == "plateaus"])
    drawn = {"baseline": _baseline(results, usual, says["S1"])}
    for network, here in usual.groupby("network", sort=False):
        own, looks = curves[curves.network == network], layers[layers.network == network]
        found = {"final": _final(results, here)}
        if len(own):
            found["accuracy"] = _accuracy_curves(results, own, _stuck(here))
            found["loss"] = _loss_curves(results, own, _stuck(here))
        if len(looks):
            found["layers"] = _layers(results, looks, says["S11"] if network == "MLP" else _spread(here))
        drawn |= {f"{network.lower()}_{name}": figure for name, figure in found.items()}
    drawn |= _batch_sizes(results, runs)
    if len(titled(results.tables, "overhead")):
        drawn["overhead"] = _overhead(results, says["S8"])
    if len(titled(results.tables, "shift")):
        drawn |= {"shift": _shift(results), "mended": _mended(results, runs)}
    return drawn


def _conditions(table):
    """The rows at batches of 64 and the two learning rates of the thesis, with a high one as a condition."""
    table = table[(table.batch_size == BATCH_SIZE) & table.learning_rate.isin([RATE, HIGH_RATE])]
    condition = table.condition.where(table.learning_rate == RATE, _RATE)
    return plots.in_order(table.assign(condition=condition), _ORDER, "set", "condition")


def _ahead(runs):
    means = _by_kind(runs, ["set", "condition"], "points")
    count = f"{(means.bn > means.none).sum()} of {len(means)} cases"
    return f"{runs.network.iloc[0]}: the mean is higher with BN in {count}"


def _stuck(runs):
    shares = runs.groupby(["normalization", "condition"], sort=False).stuck.mean()
    most = {kind: [*share[share > 0.5].droplevel(0).index] for kind, share in shares.groupby(level=0)}
    words = (f"{name} BN: {', '.join(most.get(kind, ())) or 'under no condition'}" for kind, name in _KINDS.items())
    return f"{runs.network.iloc[0]}, stuck in most runs {'; '.join(words)}"


def _spread(runs):
    means = _by_kind(runs, ["set", "condition"], "spread").mean()
    words = " and ".join(f"{means[kind]:.1f} decades {name} BN" for kind, name in _KINDS.items())
    return f"{runs.network.iloc[0]}: from the first layer to the last gradient norms change by {words}"


def _by_kind(runs, by, value):
    """Means without batch normalization and with it, where there are both."""
    return runs.groupby([*by, "normalization"])[value].mean().unstack().reindex(columns=[*_KINDS]).dropna()


def _baseline(results, runs, title):
    runs = runs[runs.condition == "baseline"]
    runs = runs[runs.groupby("network")["set"].transform("nunique") == runs.groupby("network")["set"].nunique().max()]
    caption = f"baseline; {_ENDED}; {plots.describe(results, runs, ('network', 'set'))}"
    options = {"col": "network", "sharey": False, "caption": caption, "title": title}
    return plots.dots(runs.rename(columns={"points": _FINAL}), "set", _FINAL, **options)


def _final(results, runs):
    runs = _with_several(runs, "condition")
    caption, title = f"{_ENDED}; {plots.describe(results, runs, ('set', 'condition'))}", _ahead(runs)
    runs = runs.rename(columns={"points": _FINAL})
    options = {
        "col": "set",
        "col_wrap": min(runs["set"].nunique(), 2),
        "sharey": False,
        "caption": caption,
        "title": title,
    }
    return _slanted(plots.dots(runs, "condition", _FINAL, **options))


def _with_several(table, column):
    """The rows of sets that have several values of a column; all where no set has."""
    several = table.groupby(["network", "set"])[column].transform("nunique") > 1
    return table[several] if several.any() else table


def _slanted(figure):
    for axis in figure.axes:
        axis.tick_params(axis="x", labelrotation=45)
    return figure


def _accuracy_curves(results, curves, title):
    value, long = "validation accuracy (%)", _to_the_end(curves)
    long = long.assign(**{value: 100 * long.validation_accuracy})
    return _curves(results, curves, long, value, "go on as they ended", title)


def _loss_curves(results, curves, title):
    parts = {"train_loss": "training", "validation_loss": "validation"}
    long = _to_the_end(curves).rename(columns=parts)
    long = long.melt([*RUN, "source", "epoch"], [*parts.values()], "part", "loss")
    long = long[long.loss.astype(float) < 1e3]  # from wide weights some start at 1e20
    end, options = "end where their loss is no number", {"style": "part", "log": ["y"]}
    return _curves(results, curves, long, "loss", end, title, **options)


def _curves(results, curves, long, value, end, title, **options):
    """A panel a condition and set, in rows as on the slides; a run that was stopped goes on as it ended."""
    long = plots.in_order(long, _ORDER, "condition")
    long = long.assign(panel=long.condition + ", " + long["set"])
    wrap = long["set"].nunique() if _is_complete(long) else min(long.panel.nunique(), 4)
    options |= {"col": "panel", "col_wrap": wrap, "sharey": False}
    diverged = curves.drop_duplicates(RUN, keep="last").train_loss.isna().sum()
    caption = f"{diverged} diverged runs {end}; {plots.describe(results, curves, ('set', 'condition'))}"
    return plots.lines(long, "epoch", value, caption=caption, title=title, **options)


def _is_complete(table):
    """Whether every condition was run on every set."""
    return len(table[["condition", "set"]].drop_duplicates()) == table.condition.nunique() * table["set"].nunique()


def _to_the_end(curves):
    ends = curves.drop_duplicates(RUN, keep="last")
    left = (ends.epochs - ends.epoch).astype(int)
    more = ends.loc[ends.index.repeat(left)]
    more = more.assign(epoch=more.epoch + more.groupby(RUN, sort=False).cumcount() + 1)
    return pd.concat([curves, more], ignore_index=True)


def _batch_sizes(results, runs):
    """Accuracy against batch size: as the thesis trains, and both papers' networks at rates that stay."""
    value = "test accuracy (%)"
    runs = runs[runs.condition == "baseline"]
    plateaus = runs[(runs.rule == "plateaus") & (runs.learning_rate == RATE)]
    plateaus = _with_several(plateaus, "batch_size")
    stays = runs[runs.rule.isin(["fixed", "scaled"])]
    drawn = {}
    for name, here, row in (("batch_sizes", plateaus, "set"), ("batch_sizes_from_1", stays, "rule")):
        if here.batch_size.nunique() > 1:
            caption = f"population's statistics; {plots.describe(results, here, ('network', 'batch_size'))}"
            options = {"row": row, "col": "network", "log": ["x"], "ticks": sorted(here.batch_size.unique())}
            options |= {"caption": caption, "title": from_which(here, ["network", row]), "sharey": False}
            drawn[name] = plots.lines(here.rename(columns={"points": value}), "batch_size", value, **options)
    return drawn


def from_which(runs, by):
    """Words for the batch sizes at which the mean of BN is ahead in every panel, and in how many at the smallest."""
    means = _by_kind(runs, [*by, "batch_size"], "points")
    leads = (means.bn - means.none).unstack("batch_size").sort_index(axis=1)
    first, behind = leads.columns[0], leads.columns[~(leads > 0).all()]
    if not len(behind):
        return "BN is ahead at every batch size, on average"
    sizes = leads.columns[leads.columns > behind.max()]
    ahead = f"ahead in every panel from batches of {sizes[0]} on" if len(sizes) else "not ahead in every panel"
    return f"BN is {ahead}; at batches of {first} it is in {(leads[first] > 0).sum()} of {len(leads)}, on average"


def _overhead(results, title):
    value = "time added to an epoch (%)"
    table = overheads(results.tables).rename(value).reset_index()
    table["layer"] = table.layer.map(_LAYERS)
    thesis = pd.DataFrame(OVERHEAD.items(), columns=["batch_size", value]).assign(layer="the thesis", network="CNN")
    thesis = [thesis.assign(dtype=dtype) for dtype in dict.fromkeys(table["dtype"])]
    caption = plots.describe(results, results.tables["overhead"], ("network", "dtype", "batch_size"))
    options = {"hue": "layer", "row": "dtype", "col": "network", "log": ["x"], "ticks": list(OVERHEAD)}
    table = pd.concat([table, *thesis], ignore_index=True)
    return plots.lines(table, "batch_size", value, caption=caption, title=title, sharey="row", **options)


def _layers(results, layers, title):
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
    caption = f"networks that diverged have no values from then on; {plots.describe(results, layers, ('condition',))}"
    return plots.lines(long, "layer", "value", caption=caption, title=title, **options)


def _shift(results):
    shift, value = _in_panels(titled(results.tables, "shift")), "variance, inference over training"
    shift = shift[shift.inference == "moving averages"].rename(columns={"shift": value})
    means = shift[shift.layer != "norm_1"].groupby("condition")[value].mean()
    words = ", ".join(f"{mean:.2f} ({condition})" for condition, mean in means.items())
    title = f"Variance that reaches BN in inference over that in training, behind the first layer: {words}"
    caption = f"moving averages; {plots.describe(results, shift, ('network', 'condition'))}"
    options = {"hue": "condition", "col": "panel", "sharey": False}
    return plots.dots(shift, "layer", value, caption=caption, title=title, **options)


def _in_panels(table):
    return table.assign(panel=table.network + ", " + table["set"])


def _mended(results, runs):
    """Accuracy of BN by the statistics of inference, without dropout and with it."""
    runs = _conditions(runs[(runs.normalization == "bn") & (runs.rule == "plateaus")])
    runs = _with_several(runs[runs.condition.isin(_DROPPED)], "condition")
    mended = runs.groupby("condition").mended.mean()
    words = ", ".join(f"{mended[name]:+.1f} points ({name})" for name in _DROPPED if name in mended)
    title = f"Statistics estimated with dropout off in place of moving averages: {words}"
    caption = f"BN; {plots.describe(results, runs, ('network', 'set', 'condition'))}"
    long = runs.rename(columns={"points": "population", "moving": "moving averages"})
    long = _in_panels(long).melt(["panel", "condition", "seed"], ["moving averages", "population"], "inference", _FINAL)
    options = {"hue": "inference", "col": "panel", "col_wrap": min(long.panel.nunique(), 3), "sharey": False}
    return _slanted(plots.dots(long, "condition", _FINAL, caption=caption, title=title, **options))


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
    return {"above": "BN", "none": "draw", "below": "vanilla"}.get(side(row), "open")


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
            row[f"{_LAYERS[layer]}, {dtype} (%)"] = report.mean_and_deviation(here)
        rows.append(row)
    return pd.DataFrame(rows)

"""Figures of the study, and the paper's tables with ours beside them."""

import numpy as np
import pandas as pd

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.effects import at_inference, headline
from bnkeras.studies.placement.claims import CLAIMS
from bnkeras.studies.placement.effects import (
    ENDS,
    FULL,
    RUN,
    SINGLE,
    TABLE_1,
    TABLE_2,
    in_notebook,
    on_faces,
    summary,
)

ORDER = (ENDS[0], *SINGLE, ENDS[1])
_FINAL = "final test accuracy (%)"
_CELL = ("placement", "learning_rate")
_QUANTITIES = {
    "gradient_norm": "norm of the loss gradient",
    "std": "standard deviation of activations",
    "dead": "share of dead units",
}


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says = report.sentences(judge(CLAIMS, results.tables))
    runs = plots.in_order(summary(results.tables), ORDER, "placement")
    placed = runs[runs.model == 2]
    return {
        "placement": _placement(results, placed, f"{says['T2']}. {says['T3']}"),
        "learning_rate": _learning_rate(results, on_faces(runs), f"{says['T4']}. {says['T1']}"),
        "heat_map": _heat_map(results, on_faces(placed)),
        "convergence": _convergence(results, says["T5"]),
        "blocks": _blocks(results, on_faces(placed)),
    }


def _placement(results, runs, title):
    runs = runs[runs.learning_rate == runs.learning_rate.min()]
    variant = np.select(
        [runs.augment & runs.before_pool, runs.augment], ["augmented, before the pool", "augmented"], "plain"
    )
    runs = runs.assign(variant=variant).sort_values("data", ascending=False, kind="stable")
    runs = runs.rename(columns={"population": _FINAL, "placement": "batch normalization after"})
    source = plots.describe(results, runs, ("source", "batch normalization after", "variant"))
    figure = plots.dots(
        runs,
        "batch normalization after",
        _FINAL,
        hue="variant",
        col="data",
        sharey=False,
        caption=f"population's statistics; crosses: the paper's; {source}",
        title=title,
    )
    for axis, name in zip(figure.axes, dict.fromkeys(runs.data), strict=True):
        places = [text.get_text() for text in axis.get_xticklabels()]
        reported = dict(zip(SINGLE, TABLE_2.get(name, ()), strict=False))
        axis.plot([places.index(kind) for kind in reported], list(reported.values()), "x", color="black", markersize=8)
    return figure


def _learning_rate(results, runs, title):
    runs = runs[runs.placement.isin(ENDS)].sort_values("model", kind="stable")
    several = runs.groupby("model").learning_rate.transform("nunique") > 1  # one rate makes no line
    runs = runs[several] if several.any() else runs
    long = runs.assign(**{_FINAL: runs.population, "runs stuck (%)": 100.0 * runs.stuck})
    long = long.melt(["model", "placement", "learning_rate", "seed"], [_FINAL, "runs stuck (%)"], "quantity", "value")
    rates = sorted(runs.learning_rate.unique())
    options = {"hue": "placement", "row": "quantity", "col": "model", "log": ["x"], "ticks": rates, "sharey": "row"}
    caption = f"population's statistics; {plots.describe(results, runs, ('source', 'model', *_CELL))}"
    return plots.lines(long, "learning_rate", "value", caption=caption, title=title, **options)


def _heat_map(results, runs):
    ways, keys = ["moving averages", "population"], ["placement", "learning_rate"]
    long = runs.melt(keys, ways, "inference", _FINAL)
    caption = plots.describe(results, runs, ("source", *_CELL))
    return plots.heat_maps(long, "learning_rate", "placement", _FINAL, col="inference", caption=caption)


def _convergence(results, title):
    epochs = at_inference(headline(results.tables["epochs"], dtype=FULL), "population")
    epochs = on_faces(epochs, model=2, learning_rate=epochs.learning_rate.min())
    epochs = plots.in_order(epochs[epochs.placement.isin(ENDS)], ORDER, "placement")
    long = epochs.rename(columns={"train_accuracy": "training", "test_accuracy": "test"})
    long = long.melt(["placement", "seed", "epoch"], ["training", "test"], "part", "share")
    long["accuracy (%)"] = 100 * long.share
    caption = (
        f"learning rate {epochs.learning_rate.min():g}, population's statistics; {plots.describe(results, epochs)}"
    )
    return plots.lines(long, "epoch", "accuracy (%)", hue="placement", col="part", caption=caption, title=title)


def _blocks(results, runs, steps=3):
    """Gradient norm, spread of activations and dead units at each layer, at some of the steps."""
    blocks = headline(results.tables["blocks"], dtype=FULL)
    every = sorted(blocks.step.unique())
    shown = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, steps).round().astype(int))]
    chosen = plots.in_order(blocks[blocks.step.isin(shown)].rename(columns=_QUANTITIES), ORDER, "placement")
    chosen = chosen.sort_values("step", kind="stable")
    chosen["layer"] = chosen.layer.str.replace("relu_", "block ")
    long = chosen.melt(["placement", "seed", "step", "layer"], list(_QUANTITIES.values()), "quantity", "value")
    options = {"hue": "placement", "row": "quantity", "col": "step", "sharey": "row"}
    return plots.lines(long, "layer", "value", caption=plots.describe(results, runs.merge(blocks[RUN])), **options)


def beside_table_1(tables):
    """The paper's table 1 with ours beside it: a row for each of its rows, as text."""
    runs, rows = summary(tables), []
    for model, placement, rate, accuracy, stable in TABLE_1:
        here = on_faces(runs, model=model, placement=placement, learning_rate=rate)
        rows.append(
            {
                "model": str(model),
                "BN": "yes" if placement == "all" else "no",
                "learning rate": f"{rate:g}",
                "reported": f"{accuracy:g}, {'stable' if stable else 'unstable'}",
                "ours": report.mean_and_deviation(here.population) or "not run",
                "stable": f"{here.stable.sum()} of {len(here)}",
                "stuck": f"{here.stuck.sum()} of {len(here)}",
            }
        )
    return pd.DataFrame(rows)


def beside_table_2(tables, learning_rate=0.01):
    """The paper's table 2 with ours beside it: a row for each placement, as text."""
    runs = summary(tables).query("model == 2 and learning_rate == @learning_rate")
    rows = {kind: {"BN after": kind} for kind in ORDER}
    for suffix, chosen in (("", runs[~runs.augment & ~runs.before_pool]), (", as in the notebook", in_notebook(runs))):
        for (name, kind), here in chosen.groupby(["data", "placement"], sort=False):
            reported = dict(zip(SINGLE, TABLE_2.get(name.removesuffix("_drawn"), ()), strict=False))
            rows[kind][f"{name}, reported"] = f"{reported[kind]:.2f}" if kind in reported else ""
            rows[kind][f"{name}{suffix}"] = report.mean_and_deviation(here.population)
            rows[kind][f"{name}{suffix}, moving averages"] = report.mean_and_deviation(here["moving averages"])
    return pd.DataFrame(rows.values()).fillna("")

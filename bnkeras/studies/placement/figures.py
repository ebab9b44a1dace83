"""Figures of the study, and the paper's tables with ours beside them."""

import numpy as np
import pandas as pd

from bnkeras.studies.placement.claims import SINGLE, TABLE_1, TABLE_2, plain, plain_faces, summary

ORDER = ("none", *SINGLE, "all")
_QUANTITIES = {
    "gradient_norm": "norm of the loss gradient",
    "std": "standard deviation of activations",
    "dead": "share of dead units",
}


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    runs = summary(results.tables)
    placed = runs[runs.model == 2]
    at_start = plain(results.tables["epochs"], model=2, learning_rate=runs.learning_rate.min())
    return {
        "learning_rate": _learning_rate(plots, results, plain_faces(runs)),
        "placement": _placement(plots, results, placed[placed.learning_rate == placed.learning_rate.min()]),
        "heat_map": _heat_map(plots, results, plain_faces(placed)),
        "convergence": _convergence(
            plots, at_start[at_start.inference != "population"], plots.describe(results, placed)
        ),
        "blocks": _blocks(plots, results.tables["blocks"], plots.describe(results, plain_faces(placed))),
    }


def _in_order(table):
    return table.sort_values("placement", key=lambda kinds: kinds.map(ORDER.index), kind="stable")


def _learning_rate(plots, results, runs):
    runs = _in_order(runs[runs.placement.isin(["none", "all"])]).sort_values("model", kind="stable")
    long = runs.assign(**{"final test accuracy (%)": runs.accuracy, "runs stuck (%)": 100.0 * runs.stuck})
    values = ["final test accuracy (%)", "runs stuck (%)"]
    long = long.melt(["model", "placement", "learning_rate", "seed"], values, "quantity", "value")
    caption = plots.describe(results, runs, ("source", "model"))
    rates = sorted(runs.learning_rate.unique())
    options = {"hue": "placement", "row": "quantity", "col": "model", "log": ["x"], "ticks": rates, "sharey": "row"}
    return plots.lines(long, "learning_rate", "value", caption=caption, **options)


def _placement(plots, results, runs):
    conditions = [runs.augment.astype(bool), runs.before_pool.astype(bool)]
    variant = np.select(conditions, ["augmented", "before the pool"], "after the pool")
    runs = _in_order(runs.assign(variant=variant))
    runs = runs.rename(columns={"accuracy": "final test accuracy (%)", "placement": "batch normalization after"})
    axes, options = ("batch normalization after", "final test accuracy (%)"), {"hue": "variant", "col": "data"}
    caption = f"crosses: the paper's; {plots.describe(results, runs)}"
    figure = plots.dots(runs, *axes, **options, sharey=False, caption=caption)
    for axis, name in zip(figure.axes, dict.fromkeys(runs.data), strict=True):
        if name in TABLE_2:
            axis.plot(range(1, 5), TABLE_2[name], "x", color="black", markersize=8)
    return figure


def _heat_map(plots, results, runs):
    ways = {"accuracy": "moving averages", "population": "population"}
    long = (
        _in_order(runs)
        .rename(columns=ways)
        .melt(["placement", "learning_rate"], list(ways.values()), "inference", "final test accuracy (%)")
    )
    axes = ("learning_rate", "placement", "final test accuracy (%)")
    return plots.heat_maps(long, *axes, col="inference", fmt=".1f", caption=plots.describe(results, runs))


def _convergence(plots, epochs, caption):
    keys = ["data", "placement", "seed", "epoch"]
    long = _in_order(epochs).rename(columns={"train_accuracy": "training", "test_accuracy": "test"})
    long = long.melt(keys, ["training", "test"], "part", "share").assign(**{"accuracy (%)": lambda t: 100 * t.share})
    options = {"hue": "placement", "row": "part", "col": "data", "sharey": False}
    return plots.lines(long, "epoch", "accuracy (%)", caption=caption, **options)


def _blocks(plots, blocks, caption, steps=3):
    """Gradient norm, spread of activations and dead units at each layer, at some of the steps."""
    every = sorted(blocks.step.unique())
    shown = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, steps).round().astype(int))]
    chosen = _in_order(blocks[blocks.step.isin(shown)].rename(columns=_QUANTITIES)).sort_values("step", kind="stable")
    chosen["layer"] = chosen.layer.str.replace("relu_", "block ")
    long = chosen.melt(["placement", "seed", "step", "layer"], list(_QUANTITIES.values()), "quantity", "value")
    options = {"hue": "placement", "row": "quantity", "col": "step", "sharey": "row"}
    return plots.lines(long, "layer", "value", caption=caption, **options)


def beside_table_1(tables):
    """The paper's table 1 with ours beside it: a row for each of its rows, as text."""
    runs, rows = summary(tables), []
    for model, placement, rate, accuracy, stable in TABLE_1:
        here = plain_faces(runs, model=model, placement=placement, learning_rate=rate)
        rows.append(
            {
                "model": str(model),
                "BN": "yes" if placement == "all" else "no",
                "learning rate": f"{rate:g}",
                "reported": f"{accuracy:g}, {'stable' if stable else 'unstable'}",
                "accuracy": _mean(here.accuracy),
                "stable": f"{here.stable.sum()} of {len(here)}",
                "stuck": f"{here.stuck.sum()} of {len(here)}",
            }
        )
    return pd.DataFrame(rows)


def beside_table_2(tables, learning_rate=0.01):
    """The paper's table 2 with ours beside it: a row for each placement, as text."""
    runs = summary(tables).query("model == 2 and learning_rate == @learning_rate and not before_pool.astype('bool')")
    rows = {kind: {"BN after": kind} for kind in ORDER}
    for (name, augment), chosen in runs.groupby(["data", "augment"], sort=False):
        reported = dict(zip(SINGLE, TABLE_2.get(name.removesuffix("_drawn"), ()), strict=False))
        words = f"{name}, augmented" if augment else name
        for kind, here in chosen.groupby("placement"):
            rows[kind][f"{name}, reported"] = f"{reported[kind]:.2f}" if kind in reported else ""
            rows[kind] |= {words: _mean(here.accuracy), f"{words}, population": _mean(here.population)}
    return pd.DataFrame(rows.values())


def _mean(values):
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"

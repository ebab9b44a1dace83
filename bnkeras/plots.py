"""The panels that the figures of the studies are made of, drawn by seaborn: lines, dots, boxes, heat maps.

Every function takes a tidy table whose columns `x` and `y` are named as their axes should be, and returns the `Figure`.
A line or a bar is the mean over seeds, a band reaches from the smallest to the largest. Colours follow the
normalization, are the same in all figures, and are told apart without colour vision too.
"""

import functools
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from bnkeras.evidence.words import label

_THEME = {"context": "notebook", "style": "whitegrid", "palette": "colorblind", "font_scale": 0.8}
_KINDS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
_COLORS = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
KIND_COLORS = {label("normalization", kind): color for kind, color in zip(_KINDS, _COLORS, strict=True)}
HEIGHT = 2.9  # inches of a panel


def _themed(function):
    @functools.wraps(function)
    def drawn(*args, **options):
        with plt.rc_context():
            sns.set_theme(**_THEME)
            return function(*args, **options)

    return drawn


@_themed
def lines(table, x, y, *, hue="normalization", caption, log=(), sharey=True, ticks=None, seeds=True, **options):
    """Mean of `y` against `x` with a band over seeds: a line for each level of `hue`.

    Args:
        table: `DataFrame` with a row per seed and point.
        x, y: Columns.
        hue: Column that settles the colour; `style` in `options`, the marker and dashes. Defaults to `"normalization"`.
        caption: What stands below: scale, data, number of seeds (see `describe`).
        log: Which axes are logarithmic, of `"x"` and `"y"`. Defaults to none.
        sharey: As in `matplotlib.pyplot.subplots`. Defaults to `True`.
        ticks: Places of the ticks of `x`. Defaults to `None`, matplotlib's.
        seeds: Whether to average over seeds; if not, every line of `units` is drawn thin. Defaults to `True`.
        **options: Further arguments of `seaborn.relplot`: `row`, `col`, `style`, `units`.
    """
    mean = {"estimator": "mean", "errorbar": ("pi", 100)} if seeds else {"estimator": None, "linewidth": 0.8}
    grid = sns.relplot(
        **_named(table, hue, options),
        **mean,
        kind="line",
        x=x,
        y=y,
        height=HEIGHT,
        aspect=1.25,
        facet_kws={"sharey": sharey, "sharex": "col" if sharey is not True else True},
    )
    for axis in grid.axes.flat:
        if "x" in log:
            axis.set_xscale("log")
        if "y" in log:
            axis.set_yscale("log")
        if ticks is not None:
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
            axis.minorticks_off()
    return _finish(grid, caption)


@_themed
def dots(table, x, y, *, hue="normalization", caption, sharey=True, **options):
    """A dot for `y` of each seed and a bar for their mean, at each category `x`; a colour for each level of `hue`."""
    options = _named(table, hue, options)
    data = options.pop("data")
    order = list(dict.fromkeys(data[x]))
    shared = {"x": x, "y": y, "hue": options["hue"], "palette": options["palette"], "order": order, "dodge": True}
    grid = sns.catplot(
        data=data,
        kind="strip",
        jitter=False,
        alpha=0.5,
        height=HEIGHT,
        sharey=sharey,
        sharex=False,
        **{"aspect": 1.6} | options | shared,
    )
    levels = data[options["hue"]].cat.categories
    shared |= {"hue_order": levels, "dodge": 0.8 * (1 - 1 / len(levels)) or False}
    grid.map_dataframe(sns.pointplot, **shared, errorbar=None, linestyle="none", marker="_", markersize=16)
    grid.set_axis_labels(x, y)
    return _finish(grid, caption)


@_themed
def boxes(table, x, y, *, caption):
    """A box from the lower to the upper quartile of `y` for each `x`, whiskers from the 5th to the 95th percentile."""
    table = table.assign(**{x: [label(x, value) for value in table[x]]})
    options = {"whis": (5, 95), "showfliers": False, "hue": x, "palette": KIND_COLORS}
    grid = sns.catplot(data=table, kind="box", x=x, y=y, height=HEIGHT, aspect=1.6, **options)
    grid.set(ylim=(0, None), xlabel="")
    return _finish(grid, caption)


@_themed
def heat_maps(table, x, y, value, *, col, caption, aspect=1.3, **options):
    """The mean of `value` for each `x` and `y`, written into cells: a panel for each level of `col`."""
    data = _named(table, None, {"col": col})["data"]
    limits = {"vmin": table[value].min(), "vmax": table[value].max()} | options

    def draw(data, color, **_):
        wide = data.pivot_table(index=y, columns=x, values=value, sort=False)
        sns.heatmap(wide, annot=True, cmap="cividis", cbar=False, annot_kws={"size": 8}, **limits)

    grid = sns.FacetGrid(data, col=col, height=HEIGHT, aspect=aspect)
    grid.map_dataframe(draw)
    grid.set_axis_labels(x, y)
    return _finish(grid, f"{value}; {caption}")


def _named(table, hue, options):
    """Arguments of a seaborn function: the table with readable, ordered levels, and the colours of `hue`."""
    columns = {name: options[name] for name in ("row", "col", "style", "units") if options.get(name)}
    if hue:
        columns["hue"] = hue
    named = {}
    for column in columns.values():
        levels = {value: label(column, value) for value in dict.fromkeys(table[column])}
        named[column] = pd.Categorical(table[column].map(levels), list(dict.fromkeys(levels.values())))
    result = {**options, "data": table.assign(**named)}
    if hue:
        shown = named[hue].categories
        colors = KIND_COLORS if set(shown) <= set(KIND_COLORS) else _colors(shown)
        result |= {"hue": hue, "palette": {name: colors[name] for name in shown}}
    return result


def _colors(levels):
    palette = sns.color_palette("colorblind") if len(levels) <= 5 else sns.color_palette("viridis", len(levels))
    return dict(zip(levels, palette, strict=False))


def _finish(grid, caption):
    """Readable titles, the legend above and the caption below."""
    for key, axis in grid.axes_dict.items():
        axis.set_title(", ".join(filter(None, [key] if isinstance(key, str) else key)), fontsize="medium")
    figure = grid.figure
    figure.set_layout_engine("constrained")
    if grid.legend:
        handles = len(grid.legend.get_texts())
        sns.move_legend(grid, "outside upper center", ncols=min(handles, 6), title=None, frameon=False)
    width = int(figure.get_figwidth() * 14)
    figure.supxlabel(textwrap.fill(caption, width), fontsize="small", color="0.35")
    return figure


def describe(results, table=None, by=("source",)):
    """The caption of a figure: scale, data sources and number of seeds, the fewest and the most over `by`.

    Args:
        results: The `Results` that the figure shows.
        table: The rows that it shows. Defaults to `None`, those of `epochs`.
        by: Columns that tell apart what has seeds of its own. Defaults to `("source",)`.
    """
    table = results.tables["epochs"] if table is None else table
    seeds = table.groupby(list(by)).seed.nunique()
    count = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    band = "lines: mean, bands: smallest and largest of" if np.max(seeds) > 1 else ""
    return f"scale {results.scale}, {', '.join(pd.unique(table.source))}; {band} {count} seeds"

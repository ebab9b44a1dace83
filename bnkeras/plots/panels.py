"""Panels of lines, dots, heat maps and grids of words, drawn by seaborn from tidy tables."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from bnkeras.evidence.words import label
from bnkeras.plots.layout import HEIGHT, KIND_COLORS, captioned, themed


@themed
def lines(
    table, x, y, *, hue="normalization", caption, title="", log=(), sharey=True, ticks=None, seeds=True, **options
):
    """Mean of `y` against `x` with a band over seeds: a line for each level of `hue`.

    Args:
        table: `DataFrame` with a row per seed and point.
        x, y: Columns.
        hue: Column that settles the colour; `style` in `options`, the marker and dashes. Defaults to `"normalization"`.
        caption: What stands below: settings, scale, data, number of seeds (see `describe`).
        title: What the figure says. Defaults to `""`.
        log: Which axes are logarithmic, of `"x"` and `"y"`. Defaults to none.
        sharey: As in `matplotlib.pyplot.subplots`. Defaults to `True`.
        ticks: Places of the ticks of `x`. Defaults to `None`, matplotlib's.
        seeds: Whether to average over seeds; if not, every line of `units` is drawn thin. Defaults to `True`.
        **options: Further arguments of `seaborn.relplot`: `row`, `col`, `style`, `units`.
    """
    mean = {"estimator": "mean", "errorbar": ("pi", 100)} if seeds else {"estimator": None, "linewidth": 0.8}
    facets = {"sharey": sharey, "sharex": sharey is True or "col"}
    named = _named(table, hue, options)
    grid = sns.relplot(**named, **mean, kind="line", x=x, y=y, height=HEIGHT, aspect=1.25, facet_kws=facets)
    for axis in grid.axes.flat:
        if "x" in log:
            axis.set_xscale("log")
        if "y" in log:
            axis.set_yscale("log")
        if ticks is not None:
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
            axis.minorticks_off()
    if seeds and table.seed.nunique() > 1:
        caption += "; bands: smallest to largest"
    return _finish(grid, caption, title)


def roc(table, **options):
    """`lines` of receiver operating characteristics, columns `fpr` and `tpr`; `options` as there."""
    names = {"fpr": "false positive rate", "tpr": "true positive rate"}
    return lines(table.rename(columns=names), *names.values(), **options)


@themed
def dots(table, x, y, *, hue="normalization", caption, title="", sharey=True, **options):
    """A dot for `y` of each seed and a bar for their mean, at each category `x`; a colour for each level of `hue`."""
    options = _named(table, hue, options)
    data = options.pop("data")
    shared = {"x": x, "y": y, "hue": hue, "palette": options.pop("palette"), "order": list(dict.fromkeys(data[x]))}
    levels = data[hue].cat.categories
    facets = {"height": HEIGHT, "aspect": 1.6, "sharey": sharey, "sharex": False} | options
    facets.pop("hue")
    grid = sns.catplot(data=data, kind="strip", jitter=False, alpha=0.5, dodge=True, **shared, **facets)
    bars = {"hue_order": levels, "dodge": 0.8 * (1 - 1 / len(levels)) or False, "errorbar": None}
    grid.map_dataframe(sns.pointplot, **shared, **bars, linestyle="none", marker="_", markersize=16)
    grid.set(xlim=(-0.5, len(shared["order"]) - 0.5))
    names = [
        textwrap.fill(str(name), max(6, 48 // len(shared["order"])), break_long_words=False) for name in shared["order"]
    ]
    for axis in grid.axes.flat:
        axis.set_xticks(range(len(names)), names, fontsize=7)
    grid.set_axis_labels(x, y)
    return _finish(grid, caption, title)


@themed
def heat_maps(table, x, y, value, *, col, caption, title="", centre=None, fmt=".1f", limits=None, marks=None):
    """The mean of `value` for each `x` and `y`, written into cells: a panel for each level of `col`.

    Args:
        table: `DataFrame` with a row per seed and cell.
        x, y, value, col: Columns.
        caption, title: See `lines`.
        centre: Value that is drawn white, with blue above and red below. Defaults to `None`, one scale of colours.
        fmt: Format of the values. Defaults to `".1f"`.
        limits: Values at the ends of the colours. Defaults to `None`, those of the means.
        marks: Function of a panel's rows to those whose cell is framed. Defaults to `None`.
    """
    means = table.groupby([col, x, y], sort=False)[value].mean()
    low, high = limits or (means.min(), means.max())
    if centre is not None:
        reach = max(high - centre, centre - low)
        low, high = centre - reach, centre + reach
    colors = {"cmap": "cividis" if centre is None else "RdBu", "vmin": low, "vmax": high, "cbar": False}

    def draw(data, color, **_):
        wide = data.pivot_table(index=y, columns=x, values=value, sort=False).sort_index(axis=1)
        words = wide.map(lambda mean: f"{mean:{fmt}}" if abs(mean) < 1000 else f"{mean:.0e}")  # no wider than the cell
        axis = sns.heatmap(wide, annot=words, fmt="", annot_kws={"size": 8}, **colors)
        if marks:
            _frame(axis, wide, marks(data), x, y)

    longest, rows = max(len(str(value)) for value in table[x]), table[y].nunique()
    lines = max(str(value).count("\n") + 1 for value in table[y])
    height = max(HEIGHT, 0.8 + max(0.3, 0.18 * lines) * rows + 0.08 * longest * (longest > 5))
    size = {"height": height, "aspect": max(1.2, 0.14 * table[x].nunique())}
    return _finish(_cells(draw, table, x, y, col, **size), f"{value}; {caption}", title)


def effect_map(effects, words, x, y, *, reach, col="activation", caption, **options):
    """`heat_maps` of effects for each `x` and `y`, levels of their index: blue above 0, red below.

    Args:
        effects: Series, a value a seed.
        words: What the effect is, with its unit.
        x, y, col: Levels.
        reach: Value at the end of the colours.
        caption, **options: See `heat_maps`.
    """
    table, limits = effects.rename(words).reset_index(), (-reach, reach)
    return heat_maps(table, x, y, words, col=col, centre=0, limits=limits, caption=caption, **options)


@themed
def grids(table, x, y, value, *, right, marked, col, caption, title=""):
    """The `value` at each `x` and `y` as text: a panel for each level of `col`, one row of the table a cell.

    Args:
        table: `DataFrame` with a row per cell.
        x, y, value, col: Columns.
        right: Column of what the value should be; cells where it differs are coloured.
        marked: Column of booleans, whether to frame a cell.
        caption, title: See `lines`.
    """
    table = table.assign(wrong=(table[value] != table[right]).astype(float))

    def draw(data, color, **_):
        words, wrong = (data.pivot(index=y, columns=x, values=values) for values in (value, "wrong"))
        colors = {"cmap": ["#FFFFFF", "#F4C7A5"], "vmin": 0, "vmax": 1, "cbar": False}
        axis = sns.heatmap(wrong, annot=words, fmt="", **colors)
        _frame(axis, words, data[data[marked]], x, y, linewidth=1.5)

    height = max(HEIGHT, 0.25 * table[y].nunique())
    return _finish(_cells(draw, table, x, y, col, height=height, aspect=1.2), caption, title)


def _cells(draw, table, x, y, col, **size):
    """A grid of panels of cells: `draw` draws one of them from its rows."""
    grid = sns.FacetGrid(_named(table, None, {"col": col})["data"], col=col, **size)
    grid.map_dataframe(draw)
    return grid.set_axis_labels(x, y)


def _frame(axis, wide, rows, x, y, linewidth=2.0):
    """Frame the cells of some rows in a panel whose cells are those of the table `wide`."""
    for row in rows.itertuples():
        place = wide.columns.get_loc(getattr(row, x)), wide.index.get_loc(getattr(row, y))
        axis.add_patch(plt.Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=linewidth))


def _named(table, hue, options):
    """Arguments of a seaborn function: the table with readable, ordered levels, and the colours of `hue`."""
    columns = [options[name] for name in ("row", "col", "style", "units") if options.get(name)]
    named = {}
    for column in [*columns, hue] if hue else columns:
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


def _finish(grid, caption, title):
    """Readable titles of the panels, and the legend above them."""
    for axis in grid.axes.flat:
        axis.set(xlabel=axis.get_xlabel().replace("_", " "), ylabel=axis.get_ylabel().replace("_", " "))
    for key, axis in grid.axes_dict.items():
        axis.set_title(", ".join(filter(None, [key] if isinstance(key, str) else key)), fontsize="medium")
    figure, entries = grid.figure, []
    if grid.legend:
        texts = [text.get_text() for text in grid.legend.get_texts()]
        entries = list(zip(grid.legend.legend_handles, texts, strict=True))
        entries = [(handle, text) for handle, text in entries if text not in grid.data.columns]  # seaborn's headings
        grid.legend.remove()
    return captioned(figure, caption, title, entries)

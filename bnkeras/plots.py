"""The panels that the figures of the studies are made of, drawn by seaborn: lines, dots, heat maps, forests.

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

from bnkeras.evidence import claims
from bnkeras.evidence.words import label

_THEME = {"context": "notebook", "style": "whitegrid", "palette": "colorblind", "font_scale": 0.8}
_KINDS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
_COLORS = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
KIND_COLORS = {label("normalization", kind): color for kind, color in zip(_KINDS, _COLORS, strict=True)}
KIND_COLORS["ws, scale 1"] = "#999999"
_OUTCOME_COLORS = {claims.REPRODUCED: "#0072B2", claims.CONTRADICTED: "#D55E00", claims.ANSWERED: "#009E73"}
HEIGHT, LINE = 2.6, 0.21  # inches of a panel, of a line of text


def _themed(function):
    @functools.wraps(function)
    def drawn(*args, **options):
        with plt.rc_context():
            sns.set_theme(**_THEME)
            return function(*args, **options)

    return drawn


@_themed
def blank(words, *, caption):
    """A figure that says why it is empty."""
    figure, axis = plt.subplots(figsize=(2 * HEIGHT, HEIGHT))
    axis.set_axis_off()
    axis.text(0.5, 0.5, words, ha="center", va="center")
    return _captioned(figure, caption, "")


@_themed
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


@_themed
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


@_themed
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
        for row in marks(data).itertuples() if marks else ():
            place = wide.columns.get_loc(getattr(row, x)), wide.index.get_loc(getattr(row, y))
            axis.add_patch(plt.Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=2))

    data = _named(table, None, {"col": col})["data"]
    longest = max(len(str(value)) for value in table[x])
    height = max(HEIGHT, 0.8 + 0.3 * table[y].nunique() + 0.08 * longest * (longest > 5))
    grid = sns.FacetGrid(data, col=col, height=height, aspect=max(1.2, 0.14 * table[x].nunique()))
    grid.map_dataframe(draw)
    grid.set_axis_labels(x, y)
    return _finish(grid, f"{value}; {caption}", title)


@_themed
def grids(table, x, y, value, *, right, marked, col, caption, title=""):
    """The `value` at each `x` and `y` as text: a panel for each level of `col`, one row of the table a cell.

    Args:
        table: `DataFrame` with a row per cell.
        x, y, value, col: Columns.
        right: Column of what the value should be; cells where it differs are coloured.
        marked: Column of booleans, whether to frame a cell.
        caption, title: See `lines`.
    """

    def draw(data, color, **_):
        wrong = (
            (data[value] != data[right]).to_frame().assign(x=data[x], y=data[y]).pivot(index="y", columns="x", values=0)
        )
        words = data.pivot(index=y, columns=x, values=value)
        axis = sns.heatmap(
            wrong.astype(float), annot=words, fmt="", cmap=["#FFFFFF", "#F4C7A5"], vmin=0, vmax=1, cbar=False
        )
        for row in data[data[marked]].itertuples():
            place = words.columns.get_loc(getattr(row, x)), words.index.get_loc(getattr(row, y))
            axis.add_patch(plt.Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=1.5))

    data = _named(table, None, {"col": col})["data"]
    grid = sns.FacetGrid(data, col=col, height=max(HEIGHT, 0.25 * table[y].nunique()), aspect=1.2)
    grid.map_dataframe(draw)
    grid.set_axis_labels(x, y)
    return _finish(grid, caption, title)


@_themed
def forest(verdicts, *, caption, title=""):
    """Effect and interval of each headline over its smallest effect that matters, with the paper's own as a cross.

    Args:
        verdicts: Table of `claims.judge`; what was not run is left out.
        caption, title: See `lines`.
    """
    rows = verdicts[verdicts.low.notna()].iloc[::-1]
    names = [f"{row.claim.id}  {row.outcome if row.claim.open else row.verdict}" for row in rows.itertuples()]
    smallest = np.array([row.measure.smallest for row in rows.itertuples()])
    effect, low, high = (rows[column].to_numpy(float) / smallest for column in ("effect", "low", "high"))
    reported = np.array([row.claim.reported_effect for row in rows.itertuples()], dtype=float) / smallest
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.28 * len(rows)))
    axis.axvspan(-1, 1, color="0.9", zorder=0)
    axis.axvline(0, color="0.5", linewidth=1)
    axis.set_yticks(range(len(rows)), names)
    for word in dict.fromkeys(rows.outcome[::-1]):
        here = np.flatnonzero(rows.outcome == word)
        error = [(effect - low)[here], (high - effect)[here]]
        face = {"markerfacecolor": "white"} if word == claims.INCONCLUSIVE else {}
        color = _OUTCOME_COLORS.get(word, "0.45")
        axis.errorbar(effect[here], here, xerr=error, fmt="o", color=color, label=word, **face)
    axis.plot(reported, range(len(rows)), "x", color="black", markersize=8, label="reported in the paper")
    axis.set_xscale("symlog", linthresh=2)
    axis.set_xlabel("effect over the smallest that matters\npositive: on the claimed side; grey: too small to matter")
    return _captioned(figure, caption, title, list(zip(*axis.get_legend_handles_labels(), strict=True)))


@_themed
def examination(losses, layers, *, caption, title=""):
    """Losses of a model by the statistics it uses, where there are any, and the gaps of its layers' moving statistics.

    Args:
        losses: `Series` of losses by name; may be empty.
        layers: `DataFrame` with a row for each layer and the columns `mean_gap` and `variance_gap`.
        caption, title: See `lines`.
    """
    panels = 1 + bool(len(losses))
    width = max(2.5 * HEIGHT, 2.5 + 0.3 * len(layers))
    figure, axes = plt.subplots(1, panels, figsize=(1.5 * HEIGHT * (panels - 1) + width, 1.3 * HEIGHT), squeeze=False)
    if len(losses):
        sns.barplot(
            x=losses.to_numpy(), y=list(losses.index), color=KIND_COLORS[label("normalization", "bn")], ax=axes[0, 0]
        )
        axes[0, 0].set(xlabel="loss", xlim=(0, None) if losses.min() >= 0 else None)
    entries = []
    for column, color, marker in zip(("mean_gap", "variance_gap"), _COLORS, "os", strict=False):
        dots = axes[0, -1].plot(range(len(layers)), layers[column], marker, color=color)
        entries.append((dots[0], column.replace("_", " ")))
    axes[0, -1].axhline(0.1, color="0.5", linestyle=":")
    axes[0, -1].set_yscale("symlog", linthresh=0.1)
    axes[0, -1].set(
        ylim=(0, max(1, 1.5 * layers[["mean_gap", "variance_gap"]].max(axis=None))),
        ylabel="moving statistics against the data's",
    )
    every = max(1, len(layers) // 40)
    axes[0, -1].set_xticks(range(0, len(layers), every), layers.index[::every], rotation=90, fontsize=7)
    return _captioned(figure, caption, title, entries)


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
    return _captioned(figure, caption, title, entries)


def _captioned(figure, caption, title, entries=()):
    """Title, legend and caption, one below the other, for which the figure grows: the panels keep their height."""
    figure.set_layout_engine("constrained")
    width, height = figure.get_size_inches()
    title = textwrap.fill(title, int(width * 11))
    caption = textwrap.fill(caption, int(width * 14))
    columns = max(1, min(len(entries), int(width * 12) // max((len(text) + 5 for _, text in entries), default=1)))
    above = LINE * (title.count("\n") + 1.5) * bool(title)
    legend = LINE * (-(-len(entries) // columns) + 0.3) * bool(entries)
    grown = height + above + legend + LINE * (caption.count("\n") + 1)
    figure.set_figheight(grown)
    figure.supxlabel(caption, fontsize="small", color="0.35")
    # By hand: the layout puts a title and a legend above the panels in one and the same place.
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - (above + legend) / grown))
    if title:
        figure.suptitle(title, y=1 - 0.3 * LINE / grown, fontsize="medium", fontweight="bold")
    if entries:
        where = {"loc": "upper center", "bbox_to_anchor": (0.5, 1 - above / grown)}
        figure.legend(*zip(*entries, strict=True), **where, ncols=columns, frameon=False, borderaxespad=0.2)
    return figure


def alt_text(figure, more=""):
    """A figure's title, what `more` is said of it, and its caption, as one line for those who cannot see it."""
    parts = (figure.get_suptitle(), more, figure.get_supxlabel())
    return ". ".join(" ".join(part.split()) for part in parts if part)


def describe(results, table=None, by=("source",)):
    """The caption of a figure: scale, data sources, precision where it is a setting, and number of seeds over `by`.

    Args:
        results: The `Results` that the figure shows.
        table: The rows that it shows. Defaults to `None`, those of `epochs`.
        by: Columns that tell apart what has seeds of its own. Defaults to `("source",)`.
    """
    table = results.tables["epochs"] if table is None else table
    seeds = table.groupby(list(by)).seed.nunique()
    count = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    kinds = [results.scale, *pd.unique(table.source), *(pd.unique(table["dtype"]) if "dtype" in table else ())]
    return f"scale {', '.join(kinds)}, {count} seed{'s' * (count != '1')}"

"""What all figures share: theme, colours, title, legend and caption."""

import functools
import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from bnkeras.evidence.words import label

_THEME = {"context": "notebook", "style": "whitegrid", "palette": "colorblind", "font_scale": 0.8}
_KINDS = ("none", "bn", "ln", "ws", "ws_bn", "gn", "ghost_bn")
COLORS = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
KIND_COLORS = {label("normalization", kind): color for kind, color in zip(_KINDS, COLORS, strict=True)}
KIND_COLORS["ws, scale 1"] = "#999999"
HEIGHT = 2.6  # inches, of a panel
_LINE = 0.21  # inches, of a line of text


def themed(function):
    """Give the figures that a function draws the theme of all."""

    @functools.wraps(function)
    def drawn(*args, **options):
        with plt.rc_context():
            sns.set_theme(**_THEME)
            return function(*args, **options)

    return drawn


def captioned(figure, caption, title, entries=()):
    """Title, legend and caption, one below the other, for which the figure grows: the panels keep their height."""
    figure.set_layout_engine("constrained")
    width, height = figure.get_size_inches()
    title = textwrap.fill(title, int(width * 11))
    caption = textwrap.fill(caption, int(width * 14))
    columns = max(1, min(len(entries), int(width * 12) // max((len(text) + 5 for _, text in entries), default=1)))
    above = _LINE * (title.count("\n") + 1.5) * bool(title)
    legend = _LINE * (-(-len(entries) // columns) + 0.3) * bool(entries)
    grown = height + above + legend + _LINE * (caption.count("\n") + 1)
    figure.set_figheight(grown)
    figure.supxlabel(caption, fontsize="small", color="0.35")
    # By hand: the layout puts a title and a legend above the panels in one and the same place.
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - (above + legend) / grown))
    if title:
        figure.suptitle(title, y=1 - 0.3 * _LINE / grown, fontsize="medium", fontweight="bold")
    if entries:
        where = {"loc": "upper center", "bbox_to_anchor": (0.5, 1 - above / grown)}
        figure.legend(*zip(*entries, strict=True), **where, ncols=columns, frameon=False, borderaxespad=0.2)
    return figure


@themed
def blank(words, *, caption):
    """A figure that says why it is empty."""
    figure, axis = plt.subplots(figsize=(2 * HEIGHT, HEIGHT))
    axis.set_axis_off()
    axis.text(0.5, 0.5, words, ha="center", va="center")
    return captioned(figure, caption, "")


def alt_text(figure):
    """A figure's title and caption, as one line for those who cannot see it."""
    parts = (figure.get_suptitle(), figure.get_supxlabel())
    return ". ".join(" ".join(part.split()) for part in parts if part)


def in_order(table, levels, *columns):
    """The rows sorted by some columns, whose values stand in the order of the list `levels`."""
    return table.sort_values([*columns], key=lambda column: column.map(levels.index), kind="stable")


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

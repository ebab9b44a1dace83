"""Figures against the batch size: a panel for each pair of settings, a line and a band over seeds for each kind."""

import textwrap

import matplotlib.pyplot as plt

from bnkeras.plots.common import COLORS, label, mean_and_band

MARKERS = {"none": "s", "bn": "o", "ln": "^", "ws": "D", "ws_bn": "v", "gn": "P", "ghost_bn": "X"}
INFERENCE_COLORS = {"moving averages": "#0072B2", "population": "#009E73", "batch's own": "#E69F00"}
INFERENCE_LABELS = {
    "moving averages": "moving averages of the training",
    "population": "population, estimated anew",
    "batch's own": "each test batch's own",
}
_TITLES = {
    "mnist": "MNIST",
    "mnist_sample": "MNIST",
    "bng_glass": "BNG(glass)",
    "bng_glass_sample": "BNG(glass)",
    "moving averages": "moving averages",
    "population": "BN with the population's statistics",
    "fixed": "learning rate fixed",
    "scaled": "learning rate ∝ batch size",
    "epochs": "equal epochs",
    "steps": "equal steps",
}
_LABELS = {"test_accuracy": "test accuracy (%)", "test_loss": "test loss (log scale)"}


def against_batch_size(table, value, settings, source, ranges=None):
    """`value` against the batch size: a panel for each level of the two `settings`, a line a normalization.

    `ranges` are marked below the accuracy: a dictionary from a name to the smallest and largest batch size.
    """
    figure, grid = _grid(table, settings, source, _LABELS[value])
    for axis, chosen in grid:
        for kind, rows in chosen.groupby("normalization", sort=False):
            _line(axis, rows, value, COLORS[kind], MARKERS[kind], label(kind))
        _finish(axis, chosen, value)
        for place, (name, (low, high)) in enumerate((ranges or {}).items()):
            y = -7 * (place + 1)
            axis.plot([low, high], [y, y], color="0.35", linewidth=3, solid_capstyle="butt")
            axis.text(
                high if place == 0 else low, y, f" {name} ", va="center", ha="right" if place else "left", fontsize=7
            )
            axis.set_ylim(bottom=-7 * (len(ranges) + 1))
    _shared_legend(figure)
    return figure


def ways_of_inference(table, settings, source):
    """Test accuracy of batch normalization against the batch size, a line for each way of inference."""
    figure, grid = _grid(table, settings, source, "test accuracy of BN (%)")
    for axis, chosen in grid:
        for kind, color in INFERENCE_COLORS.items():
            rows = chosen[chosen.inference == kind]
            _line(axis, rows, "test_accuracy", color, "o", INFERENCE_LABELS[kind])
        _finish(axis, chosen, "test_accuracy")
    _shared_legend(figure)
    return figure


def lead_by_features(table, correlation, source):
    """Lead in accuracy of layer over batch normalization, a group of points for each correlation of the features."""
    wide = table.pivot(index=["features", "batch_size", "seed"], columns="normalization", values="test_accuracy")
    lead = (100 * (wide["ln"] - wide["bn"])).dropna().unstack("features").dropna().stack()
    sizes = sorted(lead.index.unique("batch_size"))
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axis.axhline(0, color="0.5", linewidth=1)
    for size, color, shift in zip(sizes, ("#0072B2", "#E69F00"), (-0.1, 0.1), strict=True):
        for place, level in enumerate(correlation.index):
            points = lead.xs((size, level), level=("batch_size", "features"))
            name = f"batch {size}" if place == 0 else None
            axis.plot([place + shift] * len(points), points, "o", color=color, alpha=0.4, markersize=4)
            axis.plot(place + shift, points.mean(), "_", color=color, markersize=22, markeredgewidth=3, label=name)
    words = [f"{level}\nmean |correlation| {value:.2f}" for level, value in correlation.items()]
    axis.set_xticks(range(len(words)), words)
    axis.set_ylabel("accuracy, LN minus BN (points)\ndots: seeds, bars: their mean")
    axis.legend()
    axis.grid(alpha=0.3, axis="y")
    figure.supxlabel(textwrap.fill(source, 80), fontsize=8, color="0.35")
    return figure


def _grid(table, settings, source, ylabel):
    """A figure, and its axes with the rows that belong to each."""
    down, across = (sorted(table[name].unique(), key=list(_TITLES).index) for name in settings)
    size = (4.2 * len(across), 3.2 * len(down) + 0.6)
    figure, axes = plt.subplots(
        len(down), len(across), figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    cells = []
    for row, first in zip(axes, down, strict=True):
        row[0].set_ylabel(ylabel)
        for axis, second in zip(row, across, strict=True):
            axis.set_title(f"{_TITLES.get(first, first)}, {_TITLES.get(second, second)}", fontsize=10)
            cells.append((axis, table[(table[settings[0]] == first) & (table[settings[1]] == second)]))
    for axis in axes[-1]:
        axis.set_xlabel("batch size")
    figure.supxlabel(textwrap.fill(source, int(28 * size[0] / 2)), fontsize=8, color="0.35")
    return figure, cells


def _line(axis, rows, value, color, marker, name):
    scaled = rows.assign(shown=rows[value] * (100 if value == "test_accuracy" else 1))
    mean_and_band(axis, scaled, "batch_size", "shown", color, name)
    axis.lines[-1].set(marker=marker, markersize=4)


def _finish(axis, rows, value):
    sizes = sorted(rows.batch_size.unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, sizes, fontsize=7)
    if value == "test_loss":
        axis.set_yscale("log")
        axis.set_yticks([0.2, 0.5, 1, 2, 5], [0.2, 0.5, 1, 2, 5])
    else:
        axis.set(ylim=(0, 101), yticks=range(0, 101, 20))
    axis.minorticks_off()
    axis.grid(alpha=0.3)


def _shared_legend(figure):
    handles = {}
    for axis in figure.axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=min(4, len(handles)), fontsize=8)

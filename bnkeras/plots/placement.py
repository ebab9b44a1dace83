"""Figures of the study of placement: a colour for each placement, dots or a band for the seeds."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from bnkeras.plots.common import COLORS, mean_and_band

PLACEMENTS = ("none", "block 1", "block 2", "block 3", "block 4", "all")
_BLOCKS = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, 4))
PLACEMENT_COLORS = dict(zip(PLACEMENTS, (COLORS["none"], *_BLOCKS, COLORS["bn"]), strict=True))
_TITLES = {
    "faces": "faces",
    "faces_drawn": "drawn faces",
    "cifar10": "CIFAR-10",
    "cifar10_drawn": "drawn shapes",
}
_VARIANTS = {"plain": ("o", "after the pool"), "augmented": ("^", "augmented"), "before_pool": ("s", "before the pool")}


def _figure(rows, columns, source, width=4.4, height=3.2, **options):
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained", **options
    )
    figure.supxlabel(textwrap.fill(source, int(13 * width * columns)), fontsize=8, color="0.35")
    return figure, axes


def _legend(figure, axis):
    figure.legend(*axis.get_legend_handles_labels(), title="BN after", fontsize=8, ncols=6, loc="outside upper center")


def against_learning_rate(runs, source):
    """Test accuracy and the share of stuck runs against the learning rate, with and without BN, a column a model."""
    runs = runs[runs.placement.isin(["none", "all"])]
    models = sorted(runs.model.unique())
    figure, axes = _figure(2, len(models), source, 3.8, 2.7, sharex=True, sharey="row")
    for column, model in zip(axes.T, models, strict=True):
        for kind, name in (("none", "base"), ("all", "BN after every block")):
            chosen = runs[(runs.model == model) & (runs.placement == kind)]
            if chosen.empty:
                continue
            mean_and_band(column[0], chosen, "learning_rate", "accuracy", PLACEMENT_COLORS[kind], name)
            column[0].plot(chosen.learning_rate, chosen.accuracy, ".", color=PLACEMENT_COLORS[kind], alpha=0.5)
            share = 100 * chosen.groupby("learning_rate")["stuck"].mean()
            column[1].plot(share.index, share, "o-", color=PLACEMENT_COLORS[kind])
        rates = sorted(runs.learning_rate.unique())
        seeds = runs[runs.model == model].seed.nunique()
        column[0].set(title=f"model {model}, {seeds} seeds", xscale="log")
        column[1].set(xlabel="learning rate", ylim=(-5, 105))
        column[1].set_xticks(rates, [f"{rate:g}" for rate in rates])
        column[1].minorticks_off()
        for axis in column:
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("final test accuracy (%)")
    axes[1, 0].set_ylabel("runs stuck (%)")
    axes[0, 0].legend(loc="lower left")
    return figure


def by_placement(runs, reported, source):
    """Final test accuracy of every run at the smallest rate, by placement, with the mean; the paper's as crosses."""
    runs = runs[runs.learning_rate == runs.learning_rate.min()]
    sets = list(runs.data.unique())
    figure, axes = _figure(1, len(sets), source, 5.4, 3.8)
    for axis, name in zip(axes[0], sets, strict=True):
        chosen = runs[runs.data == name]
        for place, (variant, (marker, words)) in enumerate(_VARIANTS.items()):
            _dots(axis, _variant(chosen, variant), marker, words, (place - 1) * 0.22)
        paper = reported.get(name)
        if paper:
            axis.plot(range(1, 5), paper, "x", color="black", markersize=8, label="reported in the paper")
        axis.set_xticks(range(len(PLACEMENTS)), PLACEMENTS, fontsize=8)
        axis.set(title=_TITLES[name], xlabel="batch normalization after", ylabel="final test accuracy (%)")
        axis.set_xlim(-0.6, len(PLACEMENTS) - 0.4)
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    return figure


def _variant(runs, variant):
    augmented, before_pool = runs.augment.astype(bool), runs.before_pool.astype(bool)
    wanted = {"plain": ~augmented & ~before_pool, "augmented": augmented, "before_pool": before_pool}
    return runs[wanted[variant]]


def _dots(axis, runs, marker, words, shift):
    for kind in PLACEMENTS:
        values = runs[runs.placement == kind].accuracy
        x = PLACEMENTS.index(kind) + shift
        axis.plot([x] * len(values), values, marker, color=PLACEMENT_COLORS[kind], alpha=0.5, markersize=5)
        if len(values):
            axis.plot([x - 0.09, x + 0.09], [values.mean()] * 2, color=PLACEMENT_COLORS[kind], linewidth=2)
    if len(runs):
        axis.plot([], [], marker, color="0.4", label=words)


def heat_map(runs, source):
    """Mean test accuracy for each placement and learning rate: with moving averages, and with the population's."""
    panels = {"accuracy": "moving averages", "population": "population's statistics"}
    tables = [runs.pivot_table(index="placement", columns="learning_rate", values=value) for value in panels]
    figure, axes = _figure(1, 2, source, 4.4, 3.4, sharey=True)
    limits = {"vmin": min(table.min().min() for table in tables), "vmax": max(table.max().max() for table in tables)}
    for axis, table, title in zip(axes[0], tables, panels.values(), strict=True):
        table = table.reindex([kind for kind in PLACEMENTS if kind in table.index])
        image = axis.imshow(table, aspect="auto", cmap="cividis", **limits)
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            if np.isfinite(value):
                dark = value < np.mean(list(limits.values()))
                axis.text(column, row, f"{value:.1f}", ha="center", va="center", color="w" if dark else "k")
        axis.set_xticks(range(table.shape[1]), [f"{rate:g}" for rate in table])
        axis.set_yticks(range(len(table)), table.index)
        axis.set(title=title, xlabel="learning rate")
    axes[0, 0].set_ylabel("batch normalization after")
    figure.colorbar(image, ax=axes[0, 1], label="final test accuracy (%)")
    return figure


def convergence(epochs, source):
    """Test accuracy, and above it training accuracy, against the epoch: a line a placement, a column a data set."""
    sets = list(epochs.data.unique())
    figure, axes = _figure(2, len(sets), source, 4.6, 2.8, sharex="col", sharey="col")
    for column, name in zip(axes.T, sets, strict=True):
        for kind in PLACEMENTS:
            chosen = epochs[(epochs.data == name) & (epochs.placement == kind)]
            for axis, value in zip(column, ("train_accuracy", "test_accuracy"), strict=True):
                table = chosen.assign(percent=100 * chosen[value])
                mean_and_band(axis, table, "epoch", "percent", PLACEMENT_COLORS[kind], kind)
                axis.grid(alpha=0.3)
        column[0].set_title(_TITLES[name])
        column[1].set_xlabel("epoch")
    axes[0, 0].set_ylabel("training accuracy (%)")
    axes[1, 0].set_ylabel("test accuracy (%)")
    _legend(figure, axes[1, 0])
    return figure


_QUANTITIES = {
    "gradient_norm": "norm of the loss gradient",
    "std": "standard deviation\nof activations",
    "dead": "share of dead units",
}


def by_block(blocks, source, steps=3):
    """Gradient norm, spread of activations and dead units at each layer, for each placement: a column a step."""
    every = sorted(blocks.step.unique())
    shown = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, steps).round().astype(int))]
    figure, axes = _figure(len(_QUANTITIES), len(shown), source, 3.6, 2.4, sharex=True, sharey="row")
    layers = list(blocks.layer.unique())
    for column, step in zip(axes.T, shown, strict=True):
        for axis, value in zip(column, _QUANTITIES, strict=True):
            for kind in PLACEMENTS:
                chosen = blocks[(blocks.step == step) & (blocks.placement == kind)]
                mean = chosen.groupby("layer")[value].mean().reindex(layers)
                axis.plot(range(len(layers)), mean, "o-", color=PLACEMENT_COLORS[kind], label=kind, markersize=4)
            axis.set_yscale("linear" if value == "dead" else "log")
            axis.grid(alpha=0.3)
        column[0].set_title(f"after {step} steps")
        names = [layer.replace("relu_", "block ") for layer in layers]
        column[-1].set_xticks(range(len(layers)), names, rotation=30)
    for axis, words in zip(axes[:, 0], _QUANTITIES.values(), strict=True):
        axis.set_ylabel(words)
    _legend(figure, axes[0, 0])
    return figure

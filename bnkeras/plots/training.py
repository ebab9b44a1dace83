"""Figures of one network's training: accuracy, percentiles of activations, ROC curves, seconds."""

import matplotlib.pyplot as plt
import numpy as np

from bnkeras.plots.common import COLORS, label, mean_and_band, panels


def accuracy_by_step(epochs, columns, contrast, source):
    """Test accuracy in percent against the training step, a panel for each level of `columns`."""
    levels = sorted(epochs[columns].unique())
    figure, axes = panels(levels, columns, source, sharey=True)
    for axis, level in zip(axes[0], levels, strict=True):
        for kind, table in epochs[epochs[columns] == level].groupby(contrast, sort=False):
            table = table.assign(percent=100 * table.test_accuracy)
            mean_and_band(axis, table, "step", "percent", COLORS[kind], label(kind))
        axis.set(xlabel="training step", ylim=(0, 101))
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("test accuracy (%)")
    axes[0, -1].legend(loc="lower right")
    return figure


def percentile_bands(percentiles, columns, contrast, source):
    """Percentiles of one typical unit's activation input against the step: a row for each kind, as in figure 1 of
    Ioffe & Szegedy (2015), from the run with the smallest seed.
    """
    levels, kinds = sorted(percentiles[columns].unique()), list(percentiles[contrast].unique())
    figure, axes = panels(levels, columns, f"seed {percentiles.seed.min()}; {source}", rows=len(kinds), sharey=True)
    one = percentiles[percentiles.seed == percentiles.seed.min()]
    for row, kind in zip(axes, kinds, strict=True):
        for axis, level in zip(row, levels, strict=True):
            chosen = one[(one[contrast] == kind) & (one[columns] == level)]
            _band(axis, chosen.pivot(index="step", columns="percentile", values="typical"), COLORS[kind])
        row[0].set_ylabel(f"{label(kind)}\ninput to one sigmoid")
    for axis in axes[-1]:
        axis.set_xlabel("training step")
    return figure


def _band(axis, wide, color):
    axis.fill_between(wide.index, wide[min(wide)], wide[max(wide)], color=color, alpha=0.2, linewidth=0)
    for column, style in zip(sorted(wide), ("--", "-", "--"), strict=True):
        axis.plot(wide.index, wide[column], style, color=color, linewidth=1)
        axis.annotate(f"{column:g}%", (wide.index[-1], wide[column].iloc[-1]), fontsize=7)
    axis.grid(alpha=0.3)


def roc_curves(roc, auc, columns, contrast, source):
    """ROC curve of every class against the rest, averaged over seeds: a row for each kind, a panel for each level.

    The false positive rate is drawn on a logarithmic axis, because good classifiers differ at its small end alone.
    """
    levels, kinds = sorted(roc[columns].unique()), list(roc[contrast].unique())
    figure, axes = panels(levels, columns, source, rows=len(kinds), sharex=True, sharey=True)
    colors = plt.get_cmap("tab10")
    for row, kind in zip(axes, kinds, strict=True):
        for axis, level in zip(row, levels, strict=True):
            chosen = roc[(roc[contrast] == kind) & (roc[columns] == level)]
            area = auc[(auc[contrast] == kind) & (auc[columns] == level)].groupby("class")["auc"].mean()
            for index, (name, curve) in enumerate(chosen.groupby("class")):
                mean = curve.groupby("fpr")["tpr"].mean()
                axis.semilogx(
                    mean.index, mean, color=colors(index % 10), linewidth=1, label=f"{name}: {area[name]:.4f}"
                )
            axis.legend(title="class: AUC", fontsize=6, title_fontsize=6, loc="lower right", ncols=2)
            axis.grid(alpha=0.3)
        row[0].set_ylabel(f"{label(kind)}\ntrue positive rate")
    for axis in axes[-1]:
        axis.set_xlabel("false positive rate (log scale)")
    return figure


def seconds_per_epoch(epochs, contrast, source):
    """Seconds of training per epoch after the first, which compiles: a box for each kind over all its epochs.

    Whiskers reach from the 5th to the 95th percentile; single epochs that other work on the machine delayed are left
    out.
    """
    steady = epochs[epochs.epoch > 1]
    kinds = list(steady[contrast].unique())
    figure, axis = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
    seconds = [steady[steady[contrast] == kind].seconds for kind in kinds]
    boxes = axis.boxplot(seconds, patch_artist=True, whis=(5, 95), showfliers=False)
    for box, median, kind in zip(boxes["boxes"], boxes["medians"], kinds, strict=True):
        box.set(facecolor=COLORS[kind], alpha=0.6)
        median.set_color("black")
    axis.set_xticks(np.arange(len(kinds)) + 1, [label(kind) for kind in kinds])
    axis.set_ylabel("seconds per epoch")
    axis.set_ylim(bottom=0)
    figure.supxlabel(source, fontsize=8, color="0.35")
    return figure

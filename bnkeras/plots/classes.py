"""Figures of how well a network tells classes apart, with and without batch normalization."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from bnkeras.plots.common import COLORS, label, mean_and_band, panels


def training_and_test(epochs, columns, source):
    """Accuracy in percent against the epoch, a panel for each level of `columns`; test solid, training dashed."""
    levels = sorted(epochs[columns].unique())
    figure, axes = panels(levels, columns, source, sharey=True)
    for axis, level in zip(axes[0], levels, strict=True):
        for kind, table in epochs[epochs[columns] == level].groupby("normalization", sort=False):
            table = table.assign(test=100 * table.test_accuracy, training=100 * table.train_accuracy)
            mean_and_band(axis, table, "epoch", "test", COLORS[kind], f"{label(kind)}, test")
            mean = table.groupby("epoch")["training"].mean()
            axis.plot(mean.index, mean, "--", color=COLORS[kind], linewidth=1, label=f"{label(kind)}, training")
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("accuracy (%)")
    axes[0, -1].legend(loc="lower right", fontsize=7)
    return figure


def roc_by_class(roc, auc, source):
    """ROC curve of each class against the rest, averaged over seeds: a panel a class, a line a model."""
    names = list(auc.groupby("class")["train_rows"].mean().sort_values(ascending=False).index)
    rows = -(-len(names) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(12, 3 * rows), sharex=True, sharey=True, layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        axis.plot([0, 1], [0, 1], ":", color="0.6", linewidth=1)
        for kind in auc["normalization"].unique():
            curve = roc[(roc["class"] == name) & (roc.normalization == kind)].groupby("fpr")["tpr"].mean()
            area = auc[(auc["class"] == name) & (auc.normalization == kind)]["auc"].mean()
            axis.plot(curve.index, curve, color=COLORS[kind], label=f"{label(kind)}: AUC {area:.3f}")
        count = auc[auc["class"] == name]["train_rows"].mean()
        axis.set_title(f"{name}: {count:,.0f} training rows", fontsize=9)
        axis.legend(loc="lower right", fontsize=7)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    figure.supxlabel(f"false positive rate\n{source}", fontsize=9)
    figure.supylabel("true positive rate", fontsize=9)
    return figure


def auc_by_class(auc, source):
    """AUC of each class, rarest at the bottom: filled with all rows, hollow with equally many rows of every class."""
    counts = auc[auc.classes == "as drawn"].groupby("class")["train_rows"].mean().sort_values()
    equal = auc[auc.classes == "equal"]["train_rows"].min()
    figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
    for shift, (kind, table) in zip((-0.12, 0.12), auc.groupby("normalization", sort=False), strict=True):
        for classes, face in (("as drawn", COLORS[kind]), ("equal", "white")):
            seeds = table[table.classes == classes].groupby("class")["auc"]
            mean, y = seeds.mean()[counts.index], np.arange(len(counts)) + shift
            error = np.abs(np.stack([seeds.min()[counts.index], seeds.max()[counts.index]]) - mean.to_numpy())
            words = "all rows" if classes == "as drawn" else f"{equal} rows of every class"
            style = {"color": COLORS[kind], "markerfacecolor": face, "capsize": 2}
            axis.errorbar(mean, y, xerr=error, fmt="o", label=f"{label(kind)}, {words}", **style)
    axis.set_yticks(np.arange(len(counts)), [f"{name}\n{count:,.0f} training rows" for name, count in counts.items()])
    axis.set_xlabel(f"AUC against the rest (mean, smallest and largest seed)\n{source}", fontsize=8)
    axis.grid(alpha=0.3, axis="x")
    figure.legend(fontsize=7, loc="outside upper center", ncols=2)
    return figure


def confusion(counts, source):
    """Of the test rows of each class (a line), the percentage predicted as each class (a column)."""
    kinds, names = list(counts["normalization"].unique()), list(counts["true"].unique())
    figure, axes = plt.subplots(1, len(kinds), figsize=(5.6 * len(kinds), 5), layout="constrained", squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        wide = counts[counts.normalization == kind].pivot_table(
            index="true", columns="predicted", values="rows", aggfunc="sum"
        )
        share = 100 * wide.div(wide.sum(axis=1), axis=0).loc[names, names]
        axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for (i, j), value in np.ndenumerate(share.to_numpy()):
            axis.text(j, i, f"{value:.0f}", ha="center", va="center", color="white" if value > 60 else "black")
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set(title=label(kind), xlabel="predicted class", ylabel="true class" if kind == kinds[0] else "")
    figure.supxlabel(f"% of the test rows of each true class; {source}", fontsize=8, color="0.35")
    return figure


def calibration(bins, source):
    """Accuracy against confidence, in tenths of confidence; below, the share of the test rows in each tenth."""
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(4.5, 4.6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    top.plot([0, 1], [0, 1], ":", color="0.6", label="calibrated")
    for kind, table in bins.groupby("normalization", sort=False):
        mean = table.groupby("tenth")[["confidence", "accuracy", "rows"]].mean().query("rows >= 10")
        top.plot(mean.confidence, mean.accuracy, "o-", color=COLORS[kind], label=label(kind), markersize=4)
        bottom.plot(mean.confidence, 100 * mean.rows / mean.rows.sum(), "o-", color=COLORS[kind], markersize=4)
    top.set(ylabel="accuracy", ylim=(0, 1))
    bottom.set(ylabel="% of rows", xlim=(0, 1), ylim=(0, None))
    top.legend(fontsize=7, loc="upper left")
    for axis in (top, bottom):
        axis.grid(alpha=0.3)
    bottom.set_xlabel(f"confidence (largest predicted probability)\n{textwrap.fill(source, 70)}", fontsize=8)
    return figure

"""Figures of the study: accuracy, ROC curves, AUC by class, confusion, calibration."""

from bnkeras.evidence.effects import at_inference
from bnkeras.studies.bng_glass.claims import RATE, as_drawn


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    caption = plots.describe(results)
    best = {name: table[table.learning_rate == RATE] for name, table in results.tables.items()}
    note = f"learning rate {RATE:g}; {caption}"
    return {
        "accuracy": _accuracy(plots, results.tables["epochs"], caption),
        "roc": _roc(plots, as_drawn(best["roc"]), note),
        "difficulty": _by_class(plots, best["auc"], note),
        "confusion": _confusion(plots, as_drawn(best["confusion"]), note),
        "calibration": _calibration(plots, as_drawn(best["calibration"]), note),
    }


def _accuracy(plots, epochs, caption):
    epochs = as_drawn(at_inference(epochs, "moving averages"))
    long = epochs.rename(columns={"test_accuracy": "test", "train_accuracy": "training"}).melt(
        ["learning_rate", "normalization", "seed", "epoch"], ["test", "training"], "part", "share"
    )
    long["accuracy (%)"] = 100 * long.share
    return plots.lines(long, "epoch", "accuracy (%)", style="part", col="learning_rate", caption=caption)


def _roc(plots, roc, caption):
    roc = roc.rename(columns={"fpr": "false positive rate", "tpr": "true positive rate"})
    axes = ("false positive rate", "true positive rate")
    return plots.lines(roc, *axes, col="class", col_wrap=4, caption=caption)


def _by_class(plots, auc, caption):
    counts = as_drawn(auc).groupby("class")["train_rows"].mean().sort_values()
    auc = auc.set_index("class").loc[counts.index].reset_index()
    auc["class, with its training rows"] = [f"{name}\n{counts[name]:,.0f}" for name in auc["class"]]
    auc["classes"] = auc.classes.map({"as drawn": "all rows", "equal": "equally many rows of every class"})
    auc = auc.rename(columns={"auc": "AUC against the rest"})
    axes = ("class, with its training rows", "AUC against the rest")
    return plots.dots(auc, *axes, row="classes", caption=caption, aspect=3)


def _confusion(plots, counts, caption):
    rows = counts.groupby(["normalization", "true", "predicted"], sort=False)["rows"].sum()
    share = 100 * rows / rows.groupby(["normalization", "true"]).transform("sum")
    share = share.rename("% of the true class").reset_index()
    axes = ("predicted", "true", "% of the true class")
    return plots.heat_maps(share, *axes, col="normalization", caption=caption, fmt=".0f", vmin=0, vmax=100, aspect=1.6)


def _calibration(plots, bins, caption):
    bins = bins[bins["rows"] >= 10].assign(confidence=(bins.tenth + 0.5) / 10)
    figure = plots.lines(bins, "confidence", "accuracy", caption=f"tenths with ten rows or more; {caption}")
    figure.axes[0].plot([0, 1], [0, 1], ":", color="0.6")
    return figure

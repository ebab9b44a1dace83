"""Figures of the study: accuracy, ROC curves, AUC by class, confusion, calibration."""

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.effects import at_inference, headline
from bnkeras.studies.bng_glass.claims import CLAIMS, RATE, as_drawn, main


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says, tables = report.sentences(judge(CLAIMS, results.tables)), results.tables
    note = f"learning rate {RATE:g}; {plots.describe(results, main(tables['epochs']))}"
    return {
        "accuracy": _accuracy(tables["epochs"], plots.describe(results), says["G1"]),
        "roc": plots.roc(main(tables["roc"]), col="class", col_wrap=4, caption=note, title=says["G2"]),
        "difficulty": _by_class(headline(tables["auc"], learning_rate=RATE), note, says["G3"]),
        "confusion": _confusion(main(tables["confusion"]), note),
        "calibration": _calibration(main(tables["calibration"]), note),
    }


def _accuracy(epochs, caption, title):
    epochs = as_drawn(at_inference(epochs, "population")).sort_values("learning_rate", kind="stable")
    long = epochs.rename(columns={"test_accuracy": "test", "train_accuracy": "training"}).melt(
        ["learning_rate", "normalization", "seed", "epoch"], ["test", "training"], "part", "share"
    )
    long["accuracy (%)"] = 100 * long.share
    options = {"style": "part", "col": "learning_rate", "log": ["x"]}
    return plots.lines(long, "epoch", "accuracy (%)", caption=caption, title=title, **options)


def _by_class(auc, caption, title):
    counts = as_drawn(auc).groupby("class")["train_rows"].mean().sort_values()
    auc = auc.set_index("class").loc[counts.index].reset_index()
    auc["class, with its training rows"] = [f"{name}\n{counts[name]:,.0f}" for name in auc["class"]]
    auc["classes"] = auc.classes.map({"as drawn": "all rows", "equal": "equally many rows of every class"})
    auc = auc.rename(columns={"auc": "AUC against the rest"})
    axes = ("class, with its training rows", "AUC against the rest")
    return plots.dots(auc, *axes, row="classes", caption=caption, title=title, aspect=3)


def _confusion(counts, caption):
    rows = counts.groupby(["normalization", "true", "predicted"], sort=False)["rows"].sum()
    share = 100 * rows / rows.groupby(["normalization", "true"]).transform("sum")
    share = share.rename("% of the true class").reset_index()
    axes = ("predicted", "true", "% of the true class")
    return plots.heat_maps(share, *axes, col="normalization", caption=caption, fmt=".0f", limits=(0, 100))


def _calibration(bins, caption):
    bins = bins[bins["rows"] >= 10].assign(confidence=(bins.tenth + 0.5) / 10)
    figure = plots.lines(bins, "confidence", "accuracy", caption=f"tenths with ten rows or more; {caption}")
    figure.axes[0].plot([0, 1], [0, 1], ":", color="0.6")
    return figure

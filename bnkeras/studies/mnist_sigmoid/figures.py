"""Figures of the study: accuracy, percentiles, ROC curves, seconds."""

from bnkeras.evidence.effects import at_inference


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    tables, caption = results.tables, plots.describe(results)
    epochs = at_inference(tables["epochs"], "moving averages")
    epochs = epochs.assign(**{"test accuracy (%)": 100 * epochs.test_accuracy}).rename(
        columns={"step": "training step"}
    )
    first = tables["percentiles"].query("seed == seed.min()")
    first = first.rename(columns={"step": "training step", "typical": "input to one sigmoid"})
    first = first.assign(percentile=[f"{percentile:g} %" for percentile in first.percentile])
    roc = tables["roc"].groupby(["learning_rate", "normalization", "class", "fpr"], sort=False)["tpr"].mean()
    roc = roc.reset_index().query("fpr > 0")
    roc = roc.rename(columns={"fpr": "false positive rate", "tpr": "true positive rate"})
    steady = epochs.query("epoch > 1").rename(columns={"seconds": "seconds per epoch"})
    rates = {"col": "learning_rate"}
    return {
        "accuracy": plots.lines(epochs, "training step", "test accuracy (%)", caption=caption, **rates),
        "percentiles": plots.lines(
            first,
            "training step",
            "input to one sigmoid",
            style="percentile",
            row="normalization",
            caption=f"seed {first.seed.min()} of {caption}",
            **rates,
        ),
        "roc": plots.lines(
            roc,
            "false positive rate",
            "true positive rate",
            units="class",
            seeds=False,
            log=["x"],
            caption=f"a line for each digit against the rest, mean over seeds; {caption}",
            **rates,
        ),
        "seconds": plots.boxes(steady, "normalization", "seconds per epoch", caption=caption),
    }

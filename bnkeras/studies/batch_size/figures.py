"""Figures of the study: accuracy and loss against the batch size, and the three ways of inference."""

from bnkeras.evidence.effects import at_inference


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    from bnkeras import plots

    epochs = results.tables["epochs"]
    epochs = epochs.assign(**{"test accuracy (%)": 100 * epochs.test_accuracy})
    epochs = epochs.rename(columns={"test_loss": "test loss"}).sort_values(["normalization", "rule", "batch_size"])
    moving, bn = at_inference(epochs, "moving averages"), epochs[epochs.normalization == "bn"]
    options = {"row": "rule", "col": "budget", "caption": plots.describe(results)}
    options |= {"ticks": sorted(epochs.batch_size.unique()), "log": ["x"]}
    return {
        "accuracy": plots.lines(moving, "batch_size", "test accuracy (%)", style="normalization", **options),
        "loss": plots.lines(moving, "batch_size", "test loss", style="normalization", **options | {"log": ["x", "y"]}),
        "inference": plots.lines(bn, "batch_size", "test accuracy (%)", hue="inference", **options),
    }

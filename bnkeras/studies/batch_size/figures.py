"""Figures of the study: accuracy and loss against the batch size, the three ways of inference, and the map."""

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.effects import at_inference
from bnkeras.studies.batch_size.claims import CLAIMS, FORM, RATE, drop_by_form, explored


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    title = report.sentences(judge(CLAIMS, results.tables))["B1"]
    epochs = explored(results.tables)
    epochs = epochs.assign(**{"test accuracy (%)": 100 * epochs.test_accuracy})
    epochs = epochs.rename(columns={"test_loss": "test loss"}).sort_values(["normalization", "rule", "batch_size"])
    exact, bn = at_inference(epochs, "population"), epochs[epochs.normalization == "bn"]
    caption = f"learning rate {RATE:g} at batches of 64; {_source(results, epochs)}"
    options = {"row": "rule", "col": "budget", "log": ["x"], "ticks": sorted(epochs.batch_size.unique())}
    as_estimated = options | {"style": "normalization", "caption": f"BN with the population's statistics; {caption}"}
    drawn = {
        "accuracy": plots.lines(exact, "batch_size", "test accuracy (%)", title=title, **as_estimated),
        "loss": plots.lines(exact, "batch_size", "test loss", **as_estimated | {"log": ["x", "y"]}),
        "inference": plots.lines(bn, "batch_size", "test accuracy (%)", hue="inference", caption=caption, **options),
    }
    mapped = drop_by_form(results.tables)
    if set(FORM) <= set(mapped.index.names):
        drawn["map"] = _map(results, mapped)
    return drawn


def _source(results, epochs):
    return plots.describe(results, epochs, ("source", "normalization", "rule", "batch_size"))


def _map(results, effects):
    value = "test accuracy of BN, batch 64 minus batch 2, points"
    epochs = results.tables["epochs"]
    caption = _source(results, epochs[epochs.images < epochs.images.max()])
    return plots.effect_map(effects, value, "rate", "stddev", reach=20, caption=caption)

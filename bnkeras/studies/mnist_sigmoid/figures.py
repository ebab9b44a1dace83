"""Figures of the study: accuracy, percentiles, ROC curves, seconds, and the maps over what the texts leave out."""

import pandas as pd

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.effects import at_inference, headline
from bnkeras.studies.mnist_sigmoid import claims

REPORTED = {"none": 94.0, "bn": 90.7}  # final accuracy, %
NEAR = 0.5  # points from the reported


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says = report.sentences(judge(claims.CLAIMS, results.tables))
    main = {name: headline(table, **claims.MAIN) for name, table in results.tables.items()}
    rate = main["epochs"].learning_rate.iloc[0]
    caption = f"learning rate {rate:g}, initial deviation {claims.STDDEV:g}; {plots.describe(results, main['epochs'])}"
    drawn = {
        "accuracy": _accuracy(main["epochs"], caption, f"{says['M1']}. {says['M2']}"),
        "percentiles": _percentiles(main["percentiles"], caption, says["M4"]),
        "roc": _roc(main["roc"], caption, says["M5"]),
        "seconds": _seconds(main["epochs"], caption, says["M3"]),
    }
    if results.tables["epochs"].stddev.nunique() > 1:
        drawn |= _maps(results)
    return drawn


def _accuracy(epochs, caption, title):
    epochs = at_inference(epochs, "population")
    epochs = epochs.assign(**{"test accuracy (%)": 100 * epochs.test_accuracy})
    late = epochs[epochs.epoch >= epochs.epoch.max() / 2]
    views = pd.concat([epochs.assign(part="all epochs"), late.assign(part="the second half")])
    options = {"col": "part", "sharey": False, "caption": f"{caption}; BN with the population's statistics"}
    return plots.lines(views, "epoch", "test accuracy (%)", title=title, **options)


def _percentiles(table, caption, title):
    first = table.query("seed == seed.min()")
    first = first.rename(columns={"step": "training step", "typical": "input to one sigmoid"})
    first = first.assign(percentile=[f"{percentile:g} %" for percentile in first.percentile])
    options = {"style": "percentile", "col": "normalization", "seeds": False, "units": "percentile"}
    caption = f"the unit of median drift, seed {first.seed.min()}; {caption}"
    return plots.lines(first, "training step", "input to one sigmoid", caption=caption, title=title, **options)


def _roc(table, caption, title):
    roc = table.groupby(["normalization", "class", "fpr"], sort=False)["tpr"].mean().reset_index().query("fpr > 0")
    roc = roc.rename(columns={"fpr": "false positive rate", "tpr": "true positive rate"})
    axes, caption = ("false positive rate", "true positive rate"), f"a line for each digit, mean over seeds; {caption}"
    return plots.lines(roc, *axes, units="class", seeds=False, log=["x"], caption=caption, title=title)


def _seconds(epochs, caption, title):
    later = at_inference(epochs, "population").query("epoch > 1").groupby(["normalization", "seed"], sort=False)
    seconds = later["seconds"].median().rename("seconds per epoch").reset_index().assign(model="")
    return plots.dots(seconds, "model", "seconds per epoch", caption=f"medians of runs; {caption}", title=title)


def _maps(results):
    """Each effect over initial deviations and learning rates, and BN's lag over momenta."""
    epochs = results.tables["epochs"]
    caption = plots.describe(results, epochs[epochs.seed < 100])
    effects = {claim.id: claim.explored for claim in claims.CLAIMS}
    axes = {"x": "learning_rate", "y": "stddev", "col": "activation", "centre": 0, "caption": caption}
    maps = {}
    for name, id_, number in (("map_early", "M1", 0), ("map_final", "M2", 0), ("map_drift", "M4", 0)):
        measure = effects[id_][number]
        value = f"{measure.words}, {measure.unit}"
        table = measure.effect(results.tables).rename(value).reset_index()
        shown = {"fmt": ".2f" if id_ == "M4" else ".1f", "limits": (-1, 1) if id_ == "M4" else (-10, 10)}
        marks = _as_reported(results.tables) if id_ == "M2" else None
        maps[name] = plots.heat_maps(table, value=value, marks=marks, **axes, **shown)
    measure = effects["M2"][1]
    value = f"{measure.words}, {measure.unit}"
    table = measure.effect(results.tables).rename(value).reset_index().assign(activation=claims.ACTIVATION)
    maps["map_averages"] = plots.heat_maps(table, value=value, **axes | {"y": "momentum"}, limits=(-10, 10))
    return maps


def final_levels(tables):
    """Mean final accuracy in percent of both models in each cell of the map, BN with the population's statistics."""
    epochs = claims.points(tables)
    last = epochs[(epochs.epoch == epochs.epochs) & (epochs.momentum == claims.MOMENTUM)]
    return last.groupby([*claims.CONDITION, "normalization"])["points"].mean().unstack().dropna().reset_index()


def _as_reported(tables):
    """Marks the cells where both models end within `NEAR` points of the reported accuracies."""
    levels = final_levels(tables)
    near = (levels["none"] - REPORTED["none"]).abs().le(NEAR) & (levels["bn"] - REPORTED["bn"]).abs().le(NEAR)
    cells = levels[near]
    return lambda panel: cells[cells.activation.isin(panel.activation.astype(str))]

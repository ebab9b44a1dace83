"""Figures of the study: accuracy, percentiles, ROC curves, seconds, and the maps over what the texts leave out."""

import pandas as pd

from bnkeras import plots
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.evidence.effects import at_inference
from bnkeras.evidence.seeds import FIRST
from bnkeras.studies.mnist_sigmoid import claims

REPORTED = {"none": 94.0, "bn": 90.7}  # final accuracy, %
NEAR = 0.5  # points from the reported


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says = report.sentences(judge(claims.CLAIMS, results.tables))
    main = {name: claims.main(table) for name, table in results.tables.items()}
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
    caption = f"a line for each digit, mean over seeds; {caption}"
    return plots.roc(roc, units="class", seeds=False, log=["x"], caption=caption, title=title)


def _seconds(epochs, caption, title):
    later = at_inference(epochs, "population").query("epoch > 1").groupby(["normalization", "seed"], sort=False)
    seconds = later["seconds"].median().rename("seconds per epoch").reset_index().assign(model="")
    return plots.dots(seconds, "model", "seconds per epoch", caption=f"medians of runs; {caption}", title=title)


def _maps(results):
    """Effects over initial deviations and learning rates, and BN's lag over momenta."""
    tables, epochs = results.tables, results.tables["epochs"]
    explored = {claim.id: claim.explored for claim in claims.CLAIMS}
    (early,), (final, averages), (drift, _) = (explored[id_] for id_ in ("M1", "M2", "M4"))
    caption = plots.describe(results, epochs[epochs.seed < FIRST])

    def drawn(measure, effects, y="stddev", reach=10, **options):
        words = f"{measure.words}, {measure.unit}"
        return plots.effect_map(effects, words, "learning_rate", y, reach=reach, caption=caption, **options)

    by_momentum = pd.concat({claims.ACTIVATION: averages.effect(tables)}, names=["activation"])
    return {
        "map_early": drawn(early, early.effect(tables)),
        "map_final": drawn(final, final.effect(tables), marks=_as_reported(tables)),
        "map_drift": drawn(drift, drift.effect(tables), reach=1, fmt=".2f"),
        "map_averages": drawn(averages, by_momentum, y="momentum"),
    }


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

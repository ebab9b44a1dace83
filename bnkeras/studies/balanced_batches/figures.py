"""Figures of the study, the paper's tables with ours beside them, and the page of images that travel."""

import pandas as pd

from bnkeras import plots
from bnkeras.datasets.cifar import CLASS_NAMES_10
from bnkeras.evidence import report
from bnkeras.evidence.claims import judge
from bnkeras.studies.balanced_batches.claims import CLAIMS
from bnkeras.studies.balanced_batches.effects import (
    BALANCED,
    OWN,
    POPULATION,
    RANDOM,
    TABLE_2,
    TABLE_3_AND_5,
    errors,
    final,
    of_set,
    on_cifar10,
    on_subsets,
)

ERROR = "test error (%)"
ARM = "training, inference"
# Nichol et al., 2018, tables 1 and 2; github.com/floodsung/LearningToCompare_FSL/issues/48. Accuracy in %, each image
# normalized without the others that are tested, and with them.
_LEAKS = (
    ("Reptile", "Mini-ImageNet, 5 classes, 1 shot", 47.07, 49.97),
    ("Reptile", "Mini-ImageNet, 5 classes, 5 shots", 62.74, 65.99),
    ("Reptile", "Omniglot, 20 classes, 1 shot", 88.14, 89.43),
    ("Reptile", "Omniglot, 20 classes, 5 shots", 96.65, 97.12),
    ("relation network, roughly, by a user", "Omniglot, 5 classes, 1 shot", 90, 99.6),
)
_ORDER = [(RANDOM, POPULATION), (BALANCED, POPULATION), (BALANCED, OWN), (RANDOM, OWN)]
_INFERENCE = {POPULATION: "standard", OWN: "balanced batches"}
ARMS = [f"{batches}, {_INFERENCE[way]}" for batches, way in _ORDER]


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    says, tables = report.sentences(judge(CLAIMS, results.tables)), results.tables
    epochs = _with_arms(errors(on_cifar10(tables["epochs"])))
    shown = {"caption": plots.describe(results, epochs)}
    compositions = on_cifar10(tables["composition"])
    drawn = {
        "table_2": plots.dots(final(epochs), ARM, ERROR, hue=ARM, title=f"{says['H1']}. {says['H2']}", **shown),
        "along": plots.lines(epochs, "epoch", ERROR, hue=ARM, title=says["H3"], **shown),
        "leakage": _leakage(compositions, shown),
        "groups": _groups(compositions, shown),
        "layers": _layers(on_cifar10(tables["layers"]), shown),
        "travel": _travel(tables["scenes"], says["H7"], shown),
        "rounds": _rounds(on_cifar10(tables["rounds"]), says["H8"], shown),
    }
    if len(on_subsets(tables["epochs"])):
        drawn["subsets"] = _subsets(results, f"{says['H4']}. {says['H5']}")
    return drawn


def _with_arms(rows):
    rows = rows[rows.inference.isin(_INFERENCE)]
    arms = rows.batches + ", " + rows.inference.map(_INFERENCE)
    return plots.in_order(rows.assign(**{ERROR: rows.error, ARM: arms}), ARMS, ARM)


def _subsets(results, title):
    rows = _with_arms(final(on_subsets(results.tables["epochs"])))
    caption = plots.describe(results, rows, ["classes"])
    ticks = sorted(rows.classes.unique())
    return plots.lines(rows, "classes", ERROR, hue=ARM, log=["x"], ticks=ticks, caption=caption, title=title)


def _leakage(rows, shown):
    """Error against what a test batch is made of."""
    whole = rows[(rows.answer == "largest output") & (rows.group_size == rows.classes)]
    standard = whole[whole.statistics == POPULATION].assign(composition="standard")
    assigned = rows[(rows.answer != "largest output") & (rows.statistics == POPULATION)]
    own = whole[whole.statistics == OWN].sort_values("held", kind="stable")
    rows = pd.concat([own, standard, assigned.assign(composition="standard, assigned")])
    rows = rows.rename(columns={"error": ERROR, "composition": "test batch", "batches": "training"})
    return plots.dots(rows, "test batch", ERROR, hue="training", **shown)


def _groups(rows, shown):
    """Error of balanced batches normalized in parts, at random, of so many images."""
    rows = rows[(rows.composition == BALANCED) & (rows.statistics == OWN) & (rows.answer == "largest output")]
    rows = rows.rename(columns={"error": ERROR, "group_size": "images normalized together", "batches": "training"})
    return plots.lines(rows, "images normalized together", ERROR, hue="training", **shown)


def _layers(rows, shown):
    rows = rows.rename(columns={"error": ERROR, "number": "layer of batch normalization"})
    options = {"hue": "composition", "col": "own", "sharey": False}
    return plots.lines(rows, "layer of batch normalization", ERROR, **options, **shown)


def _rounds(rows, title, shown):
    rows = rows.rename(columns={"accuracy": "test accuracy (%)", "batches": "training"})
    return plots.lines(rows, "round", "test accuracy (%)", hue="training", title=title, **shown)


def _travel(scenes, title, shown):
    """For one image of each kind, what every place is taken for at each step, as in the paper's figure 4."""
    firsts = scenes.groupby("kind", sort=False).scene.transform("min") == scenes.scene
    columns = {"right": "label", "marked": "travels", "col": "kind"}
    return plots.grids(scenes[firsts], "step", "place", "answer", title=title, **columns, **shown)


def beside_table_2(tables):
    """The paper's table 2, its fourth arm and ours beside it, as text."""
    rows = _with_arms(final(of_set(tables["epochs"], "cifar10")))
    reported = {(batches, way): cells for batches, way, *cells in TABLE_2}
    result = []
    for arm, ours in rows.groupby(["batches", "inference"], sort=False):
        cells = zip((20, 44), reported.get(arm, ("", "")), strict=True)
        row = {"training": arm[0], "inference": _INFERENCE[arm[1]]}
        row |= {f"reported, {depth} layers": f"{cell}" for depth, cell in cells}
        for depth, part in ours.groupby("depth"):
            row[f"ours, {depth} layers"] = report.mean_and_deviation(part.error, 2)
        result.append(row)
    return pd.DataFrame(result).fillna("")


def beside_tables_3_and_5(tables):
    """The paper's tables 3 and 5 with ours beside them, as text."""
    rows, crops = _with_arms(final(on_subsets(tables["epochs"]))), on_subsets(tables["crops"])
    crops = crops[(crops.batches == BALANCED) & (crops.crops == "crops in shuffled batches")]
    result = []
    for number, arm in enumerate([*_ORDER[:3], None]):
        name = dict(zip(("training", "inference"), _named(arm), strict=True))
        for classes in sorted({*TABLE_3_AND_5, *rows.classes}):
            part = crops if arm is None else rows[(rows.batches == arm[0]) & (rows.inference == arm[1])]
            cell = TABLE_3_AND_5.get(classes, ("",) * 4)[number]
            name |= {
                f"{classes} classes, reported": f"{cell}",
                f"{classes} classes": report.mean_and_deviation(part[part.classes == classes].error, 2),
            }
        result.append(name)
    return pd.DataFrame(result)


def _named(arm):
    return (arm[0], _INFERENCE[arm[1]]) if arm else (BALANCED, "shuffled balanced batches")


def reported_leaks():
    """Test errors that others report without and with statistics over the test examples, as text."""
    rows = [(method, task, 100 - alone, 100 - by_all) for method, task, alone, by_all in _LEAKS]
    rows = [(*row, 100 * (1 - row[3] / row[2])) for row in rows]
    columns = ["method", "task", "error, each by itself (%)", "by all (%)", "relative gain (%)"]
    return pd.DataFrame(rows, columns=columns).map(lambda cell: cell if isinstance(cell, str) else f"{cell:.1f}")


def page(results, pictures=None, class_names=None):
    """The page on which the images of the published trips travel through their batches, as HTML.

    Args:
        results: The study's `Results`.
        pictures: Test images that the trips' examples are indices into. Defaults to `None`, without pictures.
        class_names: One string a class. Defaults to `None`, those of CIFAR-10, or numbers on drawn shapes.
    """
    from bnkeras import batches

    rows = results.tables["scenes"]
    numbered = [f"class {i}" for i in range(rows.classes.iloc[0])]
    names = class_names or (CLASS_NAMES_10 if set(rows.data) == {"cifar10"} else numbered)
    note = f"{report.heading(results)}. The batch is built with the test labels: what it shows is a leak, no accuracy."
    return batches.travel_page(batches.scenes_of(rows, names, pictures), names, note=note)

"""Claims S1 to S11, each with its headline and what else was explored, and the thesis's table."""

import numpy as np
import pandas as pd

from bnkeras.evidence.claims import NOT_ABOVE, Claim, Measure
from bnkeras.evidence.effects import at, at_inference

CONDITIONS = {
    "baseline": {},
    "sigmoid": {"activation": "sigmoid", "initializer": "xavier"},
    "N(0, 1)": {"initializer": "normal"},
    "weight decay": {"weight_decay": 5e-4},
    "dropout": {"dropout": 0.5},
    "ELU": {"activation": "elu"},
    "public code": {"initializer": "kaiming, gain 1", "gamma": "uniform"},
    "public code, dropout": {"initializer": "kaiming, gain 1", "gamma": "uniform", "dropout": 0.5},
}
"""What each condition changes of the networks; the learning rate and the batch size are settings of their own."""
REPORT = "report's MLP"
NETWORKS = ("CNN", "MLP", REPORT)
RATE, HIGH_RATE, BATCH_SIZE = 0.01, 0.1, 64
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)
SEARCHED = (0.001, 0.003, RATE, 0.03, HIGH_RATE)
"""Learning rates that are searched for the shortest time to an accuracy."""
OVERHEAD = dict(zip(BATCH_SIZES, (19.7, 19.0, 16.4, 15.5, 15.3, 15.2), strict=True))
"""What batch normalization adds to an epoch of the CNN in the thesis, in percent."""
SETS = {
    "MNIST": ("mnist", "mnist_sample"),
    "SVHN": ("svhn", "svhn_crops", "svhn_drawn"),
    "CIFAR-10": ("cifar10", "cifar10_drawn"),
    "CIFAR-100": ("cifar100", "cifar100_20k", "cifar100_drawn"),
}
STUCK = 0.95  # of the labels' entropy, which a network reaches without looking at its input
TARGET = 0.95  # of the lower of the two baselines' validation accuracies
BN, VANILLA = {"normalization": "bn"}, {"normalization": "none"}
_USUAL = {"rule": "plateaus", "condition": "baseline", "learning_rate": RATE, "batch_size": BATCH_SIZE}
_SETTING = ["network", "set", "condition", "learning_rate", "batch_size", "rule"]
RUN = [*_SETTING, "normalization", "seed"]
_COLUMNS = {
    "curves": ["epoch", "validation_accuracy"],
    "layers": ["step", "layer", "gradient_norm", "dead"],
    "shift": ["inference", "layer", "shift"],
    "overhead": ["dtype", "round", "layer", "seconds"],
}
_SET_OF = {name: title for title, names in SETS.items() for name in names}


def titled(tables, name):
    """A table with the column `set`, the title of the data; with no rows where there is none of that name."""
    table = tables.get(name, pd.DataFrame())
    if "data" not in table:
        return pd.DataFrame(columns=[*RUN, *_COLUMNS[name]], dtype="float64")
    return table.assign(set=table.data.map(_SET_OF))


def summary(tables):
    """A row per run: how it ended, and what was seen along it.

    Returns:
        A `DataFrame` with the columns `RUN` and `source`, and

        - `points`, `moving`: test accuracy in percent with the population's statistics and with moving averages, and
          `mended`, the first minus the second;
        - `stuck`: the training loss of the last epoch is not below `STUCK` of the labels' entropy, or is no number;
        - `reached`, `time`: epochs until the validation accuracy is as high as a target, and seconds of training until
          then; the target is `TARGET` of the lower of the two mean accuracies in which the baseline ends, with BN and
          without, on a set; a run that does not reach it counts as one epoch more than it had;
        - `spread`, `dead`: see `_layers`;
        - `shift`: variance that reaches batch normalization after the first, training over inference, in doublings.
    """
    epochs = titled(tables, "epochs")
    rows = at_inference(epochs, "population").set_index(RUN)
    moving = 100 * at_inference(epochs, "moving averages").set_index(RUN).test_accuracy.astype(float)
    points = 100 * rows.test_accuracy.astype(float)
    stuck = ~(rows.train_loss.astype(float) < STUCK * rows.entropy)
    reached = _reached(titled(tables, "curves"), rows.epochs)
    found = {"points": points, "moving": moving, "mended": points - moving, "stuck": stuck}
    found |= {"reached": reached, "time": reached * rows.seconds}
    return rows[["source"]].assign(**found).join([_layers(tables), _shift(tables)]).reset_index()


def _reached(curves, most):
    ends = pick(curves.drop_duplicates(RUN, keep="last")).groupby(["network", "set", "normalization"])
    targets = TARGET * ends.validation_accuracy.mean().groupby(["network", "set"]).min()
    curves = curves.join(targets.rename("target"), on=["network", "set"])
    first = curves[curves.validation_accuracy >= curves.target].groupby(RUN, sort=False).epoch.min()
    trained = most[most.index.isin(pd.MultiIndex.from_frame(curves[RUN]))]
    return first.reindex(trained.index).fillna(trained + 1).astype(float)


def _layers(tables):
    """Per run, `spread`: |log10| of the norm of the loss gradient at the first activation over that at the last, mean
    over the training; `dead`: percent of units that pass no gradient back, mean over the layers, at the end.
    """
    looks = titled(tables, "layers").groupby([*RUN, "step"], sort=False)
    first, last = (norm.clip(lower=1e-30) for norm in (looks.gradient_norm.first(), looks.gradient_norm.last()))
    spread = np.log10(first / last).abs().groupby(RUN).mean()
    return pd.DataFrame({"spread": spread, "dead": 100 * looks.dead.mean().groupby(RUN).last()})


def _shift(tables):
    shift = titled(tables, "shift")
    after = shift[(shift.inference == "moving averages") & (shift.layer != "norm_1")]
    return -np.log2(after.groupby(RUN)["shift"].mean().astype(float))


def pick(rows, **settings):
    """The rows of the values of `settings`, by default those of the baseline; `None` takes every value."""
    for name, value in (_USUAL | settings).items():
        if value is not None:
            rows = rows[rows[name].isin(value) if isinstance(value, tuple) else rows[name] == value]
    return rows


def contrast(value, plus, minus, by=(), **shared):
    """Effect: `value` of the runs of settings `plus` minus that of `minus`, paired by seed, for each of `by`."""

    def effect(tables):
        rows = summary(tables)
        sides = [pick(rows, **shared | side).set_index([*by, "seed"])[value] for side in (plus, minus)]
        if value == "stuck":
            return pd.DataFrame(dict(zip(("plus", "minus"), sides, strict=True)))
        return (sides[0] - sides[1]).dropna().astype(float)

    return effect


def lead(by=(), **settings):
    """Effect: test accuracy, BN minus vanilla."""
    return contrast("points", BN, VANILLA, by, **settings)


def least(effect, level, needed):
    """The effect at that value of an index level at which its mean over the seeds is the least.

    There is none where a value of `needed` was not run, save on stand-ins and samples, which need not have them all.
    """

    def chosen(tables):
        effects = effect(tables)
        means = effects.groupby(level=level).mean()
        complete = {*needed} <= {*means.index} or tables["epochs"].source.str.contains("stand-in|sample").all()
        return at(effects, **{level: means.idxmin() if len(means) and complete else None})

    return chosen


def time_saved(tables):
    """Seconds to the target, vanilla over BN less 1, in percent, each at the best of the learning rates searched."""
    rows, keys = pick(summary(tables), learning_rate=None), ["network", "set", "normalization"]
    means = rows.dropna(subset="time").groupby([*keys, "learning_rate"], as_index=False).time.mean()
    searched = means.groupby(keys).learning_rate.transform("nunique") == len(SEARCHED)
    best = means[searched].sort_values("time").drop_duplicates(keys).drop(columns="time")
    times = rows.merge(best).set_index(["network", "set", "seed"])
    bn, vanilla = (times[times.normalization == kind].time for kind in ("bn", "none"))
    return (100 * (vanilla / bn - 1)).dropna()


def overheads(tables):
    """What a layer adds to an epoch, in percent: the median over rounds of the ratio of seconds within a round."""
    rounds = titled(tables, "overhead").set_index(["network", "dtype", "batch_size", "seed", "round"])
    plain, parts = rounds.seconds[rounds.layer == "none"], {}
    for layer in ("bn", "keras_bn"):
        ratios = rounds.seconds[rounds.layer == layer] / plain
        parts[layer] = 100 * (ratios.groupby(level=["network", "dtype", "batch_size", "seed"]).median() - 1)
    return pd.concat(parts, names=["layer"])


def fall_of_overhead(tables):
    """What BN adds to an epoch of the CNN at the smallest batch size minus at the largest, in float32."""
    ours = at(overheads(tables), layer="bn", network="CNN", dtype="float32")
    return at(ours, batch_size=BATCH_SIZES[0]) - at(ours, batch_size=BATCH_SIZES[-1])


def below_thesis(tables):
    """The thesis's overhead minus ours at each batch size."""
    ours = at(overheads(tables), layer="bn", network="CNN")
    thesis = ours.index.get_level_values("batch_size").map(OVERHEAD).to_numpy("float64")
    return pd.Series(thesis, ours.index) - ours


def _claim(id, sentence, headline, *explored, reported="figure", **options):
    return Claim(id, "schilling", sentence, reported, headline, explored, **options)


_ON = ["network", "set"]
_BOTH = [*_ON, "normalization"]
_ALL = {"condition": None, "learning_rate": None}
_CIFAR = {"network": "CNN", "set": "CIFAR-10"}
_MNIST = {"network": "MLP", "set": "MNIST"}
_HIGH = {"learning_rate": HIGH_RATE}
_NORMAL, _SIGMOID, _DECAY, _DROPOUT, _ELU = (
    {"condition": name} for name in ("N(0, 1)", "sigmoid", "weight decay", "dropout", "ELU")
)
_FINAL = "final test accuracy"
_LEAD = f"{_FINAL}, BN minus vanilla"
_STUCK = "share of runs stuck, vanilla minus BN"


def _points(words, effect, smallest=0.5, **options):
    return Measure(words, effect, "points", smallest, **options)


def _stuck(setting, words):
    """The headline of a condition under which vanilla is said to be stuck, and the same for all networks and sets."""
    return (
        _points(f"{_STUCK}, CNN, {words}, CIFAR-10", contrast("stuck", VANILLA, BN, **_CIFAR, **setting), 20),
        _points(f"{_STUCK}, {words}", contrast("stuck", VANILLA, BN, _ON, **setting), 20),
        _points(f"{_LEAD}, {words}", lead(_ON, **setting)),
    )


CLAIMS = (
    _claim(
        "S1",
        "With ReLU and Kaiming's initial weights BN ends with the higher accuracy on all four sets.",
        _points(f"{_LEAD}, CNN, least over the sets", least(lead(["set"], network="CNN"), "set", SETS)),
        _points(_LEAD, lead(_ON)),
        _points(f"{_LEAD} with moving averages", contrast("moving", BN, VANILLA, _ON)),
        _points(f"{_LEAD}, as in the public code", lead(_ON, condition="public code")),
        Measure("epochs to the target, vanilla minus BN", contrast("reached", VANILLA, BN, _ON), "epochs", 2),
        plain=(
            "On every data set the CNN ends higher with BN.",
            "On some data set the CNN ends no higher with BN.",
            "On some data set the CNN ends lower with BN.",
        ),
    ),
    _claim(
        "S2",
        "With sigmoids and Xavier's initial weights the vanilla CNN stays at chance, and with BN it converges.",
        *_stuck(_SIGMOID, "sigmoids"),
        reported_effect=100,
        plain=(
            "With sigmoids the CNN gets stuck without BN.",
            "With sigmoids the CNN gets stuck as often with BN as without.",
            "With sigmoids the CNN gets stuck with BN.",
        ),
    ),
    _claim(
        "S3",
        "At learning rate 0.1 vanilla stays at chance, and BN is better and faster than at 0.01.",
        *_stuck(_HIGH, "learning rate 0.1"),
        _points(f"{_FINAL} of BN, at 0.1 minus at 0.01", contrast("points", BN | _HIGH, BN, _ON)),
        Measure("epochs of BN to the target, at 0.01 minus at 0.1", contrast("reached", BN, BN | _HIGH, _ON), "epochs"),
        reported_effect=100,
        plain=(
            "At the high learning rate the CNN gets stuck without BN.",
            "At the high learning rate the CNN gets stuck as often with BN as without.",
            "At the high learning rate the CNN gets stuck with BN.",
        ),
    ),
    _claim(
        "S4",
        "With weights from N(0, 1) vanilla is stuck, and BN learns but ends lower than from Kaiming's.",
        *_stuck(_NORMAL, "N(0, 1)"),
        _points(f"{_FINAL} of BN, Kaiming's minus N(0, 1)", contrast("points", BN, BN | _NORMAL, _ON)),
        reported_effect=100,
        plain=(
            "From wide initial weights the CNN gets stuck without BN.",
            "From wide initial weights the CNN gets stuck as often with BN as without.",
            "From wide initial weights the CNN gets stuck with BN.",
        ),
    ),
    _claim(
        "S5",
        "Weight decay of 0.0005 improves both networks, and BN stays ahead.",
        _points(f"{_LEAD}, CNN, weight decay, CIFAR-10", lead(**_CIFAR, **_DECAY)),
        _points(f"{_LEAD}, weight decay", lead(_ON, **_DECAY)),
        _points(f"{_FINAL}, weight decay minus baseline", contrast("points", _DECAY, {}, _BOTH)),
        plain=(
            "With weight decay the CNN ends higher with BN.",
            "With weight decay the CNN ends alike with BN and without.",
            "With weight decay the CNN ends lower with BN.",
        ),
    ),
    _claim(
        "S6",
        "Dropout of 0.5 slows both networks down and gives the best accuracies of all; BN is not ahead.",
        _points(f"{_LEAD}, CNN, dropout, CIFAR-10", lead(**_CIFAR, **_DROPOUT), side=NOT_ABOVE),
        _points(f"{_LEAD}, dropout", lead(_ON, **_DROPOUT), side=NOT_ABOVE),
        _points(
            f"{_LEAD}, dropout, initial weights as in the public code",
            lead(_ON, condition="public code, dropout"),
            side=NOT_ABOVE,
        ),
        _points(f"{_FINAL}, dropout minus baseline", contrast("points", _DROPOUT, {}, _BOTH)),
        Measure("epochs to the target, dropout minus baseline", contrast("reached", _DROPOUT, {}, _BOTH), "epochs"),
        Measure(
            "variance into BN, training over inference, with dropout minus without",
            contrast("shift", BN | _DROPOUT, BN, _ON),
            "doublings",
            sentence="Why: statistics collected with dropout on do not fit inference, where it is off.",
        ),
        _points(
            "accuracy of BN, population's statistics minus moving averages, with dropout minus without",
            contrast("mended", BN | _DROPOUT, BN, _ON),
            sentence="What statistics estimated with dropout off mend of it.",
        ),
        plain=(
            "With dropout the CNN ends higher with BN.",
            "With dropout the CNN ends alike with BN and without.",
            "With dropout the CNN ends lower with BN.",
        ),
    ),
    _claim(
        "S7",
        "BN is ahead at every batch size from 32 to 1,024, and smaller batches are better for both.",
        _points(
            f"{_LEAD}, MLP, MNIST, least over batches 32 to 1,024",
            least(lead(["batch_size"], **_MNIST, batch_size=BATCH_SIZES), "batch_size", BATCH_SIZES),
        ),
        _points(_LEAD, lead([*_ON, "batch_size"], batch_size=BATCH_SIZES)),
        _points(
            f"{_FINAL}, batch 32 minus batch 1,024",
            contrast("points", {"batch_size": BATCH_SIZES[0]}, {"batch_size": BATCH_SIZES[-1]}, _BOTH),
        ),
        _points(
            f"{_LEAD}, equal epochs without plateaus",
            lead(["network", "rule", "batch_size"], rule=("fixed", "scaled"), learning_rate=None, batch_size=None),
        ),
        plain=(
            "The MLP ends higher with BN at every batch size from 32 on.",
            "At some batch size from 32 on the MLP ends no higher with BN.",
            "At some batch size from 32 on the MLP ends lower with BN.",
        ),
    ),
    _claim(
        "S8",
        "BN costs time in every epoch, the less the larger the batch.",
        Measure("time that BN adds to an epoch of the CNN, batch 32 minus batch 1,024", fall_of_overhead, "%", 1),
        Measure("time that a layer adds to an epoch", overheads, "%", 1),
        Measure("the thesis's overhead minus that of BN here, CNN", below_thesis, "%", 1),
        Measure(
            "time to the target, vanilla over BN less 1, each at its best learning rate",
            time_saved,
            "%",
            5,
            sentence="Per epoch it costs time; to a given accuracy it does not save any (the thesis's abstract).",
        ),
        reported="19.7, 19.0, 16.4, 15.5, 15.3, 15.2 % at batches of 32 to 1,024",
        reported_effect=4.5,
        plain=(
            "What BN adds to an epoch falls with the batch size.",
            "What BN adds to an epoch hardly depends on the batch size.",
            "What BN adds to an epoch grows with the batch size.",
        ),
    ),
    _claim(
        "S9",
        "ReLU with BN beats ELU without.",
        _points(
            f"{_FINAL} of the CNN, BN with ReLU minus vanilla ELU, CIFAR-10",
            contrast("points", BN, VANILLA | _ELU, **_CIFAR),
        ),
        _points(f"{_FINAL}, BN with ReLU minus vanilla ELU", contrast("points", BN, VANILLA | _ELU, _ON)),
        _points(f"{_FINAL}, BN with ReLU minus BN with ELU", contrast("points", BN, BN | _ELU, _ON)),
        plain=(
            "ReLU with BN ends higher than ELU without.",
            "ReLU with BN and ELU without end alike.",
            "ELU without BN ends higher than ReLU with BN.",
        ),
    ),
    _claim(
        "S10",
        "BN does not see the scale of the weights: times a, they give the same output, the same gradient of the input, "
        "and 1 / a of their own gradient.",
        None,
        reported="identity",
        proof="tests/test_bn_effects.py::test_batch_normalization_is_blind_to_the_scale_of_the_weights",
        plain=("BN is blind to the scale of the weights before it.", "", ""),
    ),
    _claim(
        "S11",
        "BN keeps gradients from vanishing or exploding on their way through the layers, and units from dying.",
        Measure(
            "|log10| of the gradient's norm at the first layer over that at the last, vanilla minus BN, sigmoid MLP",
            contrast("spread", VANILLA, BN, **_MNIST, **_SIGMOID),
            "decades",
            0.5,
        ),
        Measure(
            "|log10| of the gradient's norm at the first layer over that at the last, vanilla minus BN",
            contrast("spread", VANILLA, BN, [*_ON, "condition", "learning_rate"], **_ALL),
            "decades",
            0.5,
        ),
        _points(
            "dead units at the end, vanilla minus BN",
            contrast("dead", VANILLA, BN, [*_ON, "condition", "learning_rate"], **_ALL),
            5,
        ),
        reported="thesis",
        plain=(
            "With BN gradients change less from layer to layer.",
            "Gradients change alike from layer to layer with BN and without.",
            "With BN gradients change more from layer to layer.",
        ),
    ),
)
POINTS = {"S1": "BN", "S2": "BN", "S3": "BN", "S4": "BN", "S5": "BN", "S6": "draw", "S7": "BN", "S8": "vanilla"}
"""Who gets the point for a claim on the slides: batch normalization 6, vanilla 1."""

"""Claims S1 to S11, each with its headline and what else was explored, and the thesis's table."""

from bnkeras.evidence.claims import NOT_ABOVE, Claim, Measure
from bnkeras.evidence.effects import least
from bnkeras.studies.bn_effects.effects import (
    BATCH_SIZES,
    BN,
    HIGH_RATE,
    SETS,
    VANILLA,
    below_thesis,
    contrast,
    fall_of_overhead,
    lead,
    overheads,
    time_saved,
)

POINTS = {"S1": "BN", "S2": "BN", "S3": "BN", "S4": "BN", "S5": "BN", "S6": "draw", "S7": "BN", "S8": "vanilla"}
"""Who gets the point for a claim on the slides: batch normalization 6, vanilla 1."""

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
_SPREAD = "|log10| of the gradient's norm at the first layer over that at the last, vanilla minus BN"
_ENDS = ("ends higher with BN", "ends alike with BN and without", "ends lower with BN")
_STICKS = ("gets stuck without BN", "gets stuck as often with BN as without", "gets stuck with BN")


def _claim(id, sentence, headline, *explored, reported="figure", **options):
    return Claim(id, "schilling", sentence, reported, headline, explored, **options)


def _plain(start, ends):
    return tuple(f"{start} {end}." for end in ends)


def _points(words, effect, smallest=0.5, **options):
    return Measure(words, effect, "points", smallest, **options)


def _stuck(id, sentence, setting, words, start, *explored):
    """A claim that vanilla is stuck under a condition; what is explored is the same for all networks and sets."""
    share = f"share of runs stuck, vanilla minus BN, {words}"
    return _claim(
        id,
        sentence,
        _points(f"{share}, CNN, CIFAR-10", contrast("stuck", VANILLA, BN, **_CIFAR, **setting), 20),
        _points(share, contrast("stuck", VANILLA, BN, _ON, **setting), 20),
        _points(f"{_LEAD}, {words}", lead(_ON, **setting)),
        *explored,
        reported_effect=100,
        plain=_plain(f"{start} the CNN", _STICKS),
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
    _stuck(
        "S2",
        "With sigmoids and Xavier's initial weights the vanilla CNN stays at chance, and with BN it converges.",
        _SIGMOID,
        "sigmoids",
        "With sigmoids",
    ),
    _stuck(
        "S3",
        "At learning rate 0.1 vanilla stays at chance, and BN is better and faster than at 0.01.",
        _HIGH,
        "learning rate 0.1",
        "At the high learning rate",
        _points(f"{_FINAL} of BN, at 0.1 minus at 0.01", contrast("points", BN | _HIGH, BN, _ON)),
        Measure("epochs of BN to the target, at 0.01 minus at 0.1", contrast("reached", BN, BN | _HIGH, _ON), "epochs"),
    ),
    _stuck(
        "S4",
        "With weights from N(0, 1) vanilla is stuck, and BN learns but ends lower than from Kaiming's.",
        _NORMAL,
        "N(0, 1)",
        "From wide initial weights",
        _points(f"{_FINAL} of BN, Kaiming's minus N(0, 1)", contrast("points", BN, BN | _NORMAL, _ON)),
    ),
    _claim(
        "S5",
        "Weight decay of 0.0005 improves both networks, and BN stays ahead.",
        _points(f"{_LEAD}, CNN, weight decay, CIFAR-10", lead(**_CIFAR, **_DECAY)),
        _points(f"{_LEAD}, weight decay", lead(_ON, **_DECAY)),
        _points(f"{_FINAL}, weight decay minus baseline", contrast("points", _DECAY, {}, _BOTH)),
        plain=_plain("With weight decay the CNN", _ENDS),
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
        _points("share of runs stuck, dropout, vanilla minus BN", contrast("stuck", VANILLA, BN, _ON, **_DROPOUT), 20),
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
        unknown="initial weights (Kaiming's, as on the slides, or of half the variance, as in the public code)",
        plain=_plain("With dropout the CNN", _ENDS),
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
        plain=_plain(
            "What BN adds to an epoch",
            ("falls with the batch size", "hardly depends on the batch size", "grows with the batch size"),
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
        Measure(f"{_SPREAD}, sigmoid MLP", contrast("spread", VANILLA, BN, **_MNIST, **_SIGMOID), "decades", 0.5),
        Measure(_SPREAD, contrast("spread", VANILLA, BN, [*_ON, "condition", "learning_rate"], **_ALL), "decades", 0.5),
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

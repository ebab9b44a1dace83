"""Claims H1 to H8, each with its headline and what else was explored."""

from bnkeras.evidence.claims import ABOVE, NONE, NOT_ABOVE, Claim, Measure
from bnkeras.studies.balanced_batches.effects import (
    MOVING,
    RANDOM,
    assigned,
    cost,
    ended,
    from_fewest_classes,
    gain,
    gain_along,
    gain_by_classes,
    identity_taken,
    last_round,
    least_gain,
    of_all_sizes,
    on_cifar10,
    random_own,
    rebalanced,
    shrinkage,
    shuffling,
    shuffling_by_classes,
)


def _points(words, effect, smallest=1, side=ABOVE, sentence=""):
    return Measure(words, effect, "points", smallest, side, sentence)


def _claim(id, sentence, reported, headline, *explored, **options):
    return Claim(id, "hajaj-gillies", sentence, reported, headline, explored, unknown=_UNKNOWN, **options)


_GAIN = "test error, standard minus balanced inference"
_UNKNOWN = "learning rate and its schedule, epochs, weight decay"

CLAIMS = (
    _claim(
        "H1",
        "A network trained on balanced batches errs far less on balanced test batches with their own statistics.",
        "4.47 against 0.97 % (20 layers), 3.9 against 0.69 % (44)",
        _points(_GAIN, ended(gain)),
        _points(_GAIN, ended(gain, ["depth"])),
        _points(f"{_GAIN}, network trained on random batches", ended(gain, batches=RANDOM)),
        _points("test error, standard inference minus random batches with own statistics", random_own),
        _points("test error, standard inference minus its best one-to-one assignment", assigned),
        _points(
            "test error, standard inference minus its best one-to-one assignment, network trained on random batches",
            lambda t: assigned(t, RANDOM),
        ),
        reported_effect=3.5,
        plain=(
            "Told that a test batch has one image of each class, and normalized by it, the network errs less.",
            "Balanced test batches make no difference that matters.",
            "On balanced test batches the network errs more.",
        ),
    ),
    _claim(
        "H2",
        "Training on balanced batches leaves standard inference unchanged.",
        "4.45 and 4.47 %, 3.89 and 3.9 %",
        _points(
            "test error with standard inference, trained on balanced minus on random batches", ended(cost), 1, NONE
        ),
        _points("the same, by depth", ended(cost, ["depth"]), 1, NONE),
        _points("the same, with moving averages", ended(cost, way=MOVING), 1, NONE),
        reported_effect=0.02,
        plain=(
            "One image at a time, the network trained on balanced batches errs more.",
            "One image at a time, balanced training makes no difference that matters.",
            "One image at a time, the network trained on balanced batches errs less.",
        ),
    ),
    _claim(
        "H3",
        "The error on balanced test batches is far below that of standard inference from the start of the training.",
        "figure 2",
        _points(f"{_GAIN}, least over the second half of the epochs", least_gain),
        _points(f"{_GAIN}, by epoch", lambda t: gain_along(on_cifar10(t["epochs"]))),
        _points(f"{_GAIN}, moving averages, by epoch", lambda t: gain_along(on_cifar10(t["epochs"]), MOVING)),
        plain=(
            "The gain is there through the whole second half of the training.",
            "At some time in the second half of the training there is no gain that matters.",
            "At some time in the second half of the training balanced test batches err more.",
        ),
    ),
    _claim(
        "H4",
        "The same holds on subsets of 10, 50 and 100 classes.",
        "5.9 against 1.1, 7.34 against 3.32, 10.14 against 6.74 %",
        _points(f"{_GAIN}, least over the subsets", lambda t: of_all_sizes(gain_by_classes(t), t).min(axis=1)),
        _points(f"{_GAIN}, by classes", gain_by_classes),
        _points(
            f"{_GAIN}, network trained on random batches, by classes", lambda t: gain_by_classes(t, batches=RANDOM)
        ),
        reported_effect=3.4,
        plain=(
            "Balanced test batches help at every number of classes.",
            "At some number of classes balanced test batches make no difference that matters.",
            "At some number of classes balanced test batches do harm.",
        ),
    ),
    _claim(
        "H5",
        "The relative gain shrinks as the number of classes grows.",
        "81, 54, 33 %",
        Measure("relative gain, with the fewest minus with the most classes", shrinkage, "%", 10),
        Measure("relative gain, with the fewest minus with other numbers of classes", from_fewest_classes, "%", 10),
        Measure("relative gain, by classes", lambda t: gain_by_classes(t, relative=True), "%"),
        reported_effect=48,
        plain=(
            "The relative gain is smaller with many classes.",
            "The relative gain hardly depends on the number of classes.",
            "The relative gain is larger with many classes.",
        ),
    ),
    _claim(
        "H6",
        "Showing the crops of a test image in different balanced batches lowers the error further.",
        "1.1 to 0.2, 3.32 to 2.04, 6.74 to 5.5 %",
        _points(
            "test error of balanced inference, crops in one batch minus in shuffled batches, mean over the subsets",
            lambda t: of_all_sizes(shuffling_by_classes(t), t).mean(axis=1),
            0.3,
        ),
        _points("the same, by classes", shuffling_by_classes, 0.3),
        _points("the same, on CIFAR-10", lambda t: shuffling(on_cifar10(t["crops"])), 0.3),
        reported_effect=1.14,
        plain=(
            "Crops in different batches err less than crops in one.",
            "It makes no difference whether crops share a batch.",
            "Crops in different batches err more than crops in one.",
        ),
    ),
    _claim(
        "H7",
        "A misclassified image takes the identity of whichever image it replaces in a batch of confident ones.",
        "figure 4: ten of ten places",
        _points("share of weak images that take the class they replace, above one half", identity_taken, 10),
        _points(
            "the same, where that is neither the true class nor the standard answer",
            lambda t: identity_taken(t, share="converted"),
            10,
        ),
        _points(
            "share of confident images that keep their class, above one half",
            lambda t: identity_taken(t, "confident", "kept"),
            10,
            sentence="A confident image keeps its identity.",
        ),
        _points(
            "share of pairs of weak images that share the two missing classes, above one half",
            lambda t: identity_taken(t, "two weak", "shared"),
            10,
            sentence="Two weak images share the two missing classes.",
        ),
        _points(
            "share of weak images that take the class they replace, network trained on random batches, above one half",
            lambda t: identity_taken(t, batches=RANDOM),
            10,
        ),
        reported_effect=50,
        plain=(
            "Weak images take the identity of the image they replace in most places.",
            "Weak images take the identity of the image they replace in about half of the places.",
            "Weak images keep out of the identity of the image they replace in most places.",
        ),
    ),
    _claim(
        "H8",
        "Balancing the test set by predicted labels, over and over, does not help.",
        "figure 6, flat",
        _points("accuracy after the last round minus before the first", last_round, 0.3, NOT_ABOVE),
        _points("accuracy after each round minus before the first", rebalanced, 0.3, NOT_ABOVE),
        reported_effect=0,
        plain=(
            "Balancing by predicted labels helps.",
            "Balancing by predicted labels changes nothing that matters.",
            "Balancing by predicted labels does harm.",
        ),
    ),
)

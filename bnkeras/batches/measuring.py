"""The errors of a trained network in batches of one composition or another, as rows of tables.

`model` is a `keras.Model` with logits, as `predict_batches` takes it, whose moving statistics are the population's;
`x` an array of examples; `labels` integers from 0 to `classes - 1`, of shape `(examples,)`; `seed` an integer of at
least 0. Errors are in percent.
"""

import numpy as np
from scipy.special import softmax

from bnkeras.batches.balanced import balanced_batches, semi_balanced_batches
from bnkeras.batches.compositions import few_classes, one_missing, reshuffled
from bnkeras.batches.inference import best_assignment, predict_batches
from bnkeras.forward import batch_norms

POPULATION, OWN = "population", "batch's own"
LARGEST, ASSIGNED = "largest output", "best assignment"
BALANCED, RANDOM, SORTED, MISSING = "balanced", "random", "sorted by class", "one class missing"
ONLY, ALL_BUT = "only this", "all but this"
ONE_CROP, TOGETHER, SHUFFLED = "first crop alone", "crops in one batch", "crops in shuffled batches"


def composition_errors(model, x, labels, seed=0):
    """Measure the error for test batches of several compositions, from one class alone to one of each.

    Returns:
        A list of rows with `composition`; `held`, the mean number of classes in a batch; `statistics`, `POPULATION` or
        `OWN`; `group_size`, examples of a batch whose statistics are taken together; `answer`, `LARGEST`, or `ASSIGNED`
        for one class to each of a batch by `best_assignment`; and `error`.
    """
    balanced = balanced_batches(labels, seed=seed)
    size = balanced.shape[1]

    def row(name, batches, statistics=OWN, answer=LARGEST, group_size=size):
        outputs = predict_batches(model, x, batches, None if statistics == OWN else [], group_size)
        answers = best_assignment(outputs) if answer == ASSIGNED else outputs.argmax(-1)
        held = float(np.mean([len(np.unique(part)) for part in labels[batches]]))
        settings = {"composition": name, "held": held, "statistics": statistics, "group_size": group_size}
        return {**settings, "answer": answer, "error": _error(answers, labels[batches])}

    parts = [held for held in range(1, size) if size % held == 0]
    rows = [row(SORTED if held == 1 else f"{held} classes", few_classes(labels, held, seed)) for held in parts]
    rows += [row(RANDOM, random_batches(balanced, seed)), row(MISSING, one_missing(balanced, seed))]
    rows += [row(BALANCED, balanced, kind, answer) for kind in (POPULATION, OWN) for answer in (LARGEST, ASSIGNED)]
    # Groups of a batch are drawn at random, as its columns are in the order of the classes.
    mixed = np.random.default_rng([seed, 2]).permuted(balanced, axis=1)
    return rows + [row(BALANCED, mixed, group_size=group_size) for group_size in parts]


def random_batches(batches, seed=0):
    """Return the examples of some batches in batches of the same shape at random."""
    return np.random.default_rng([seed, 3]).permutation(np.ravel(batches)).reshape(np.shape(batches))


def layer_errors(model, x, labels, seed=0):
    """Measure the error where only one batch normalization layer, or all but one, has the batch's own statistics.

    Returns:
        A list of rows with `layer`, its name; `number`, from 1; `own`, `ONLY` or `ALL_BUT`; `composition`, `BALANCED`
        or `RANDOM`; and `error`.
    """
    layers, balanced = batch_norms(model), balanced_batches(labels, seed=seed)
    compositions = {BALANCED: balanced, RANDOM: random_batches(balanced, seed)}
    rows = []
    for number, layer in enumerate(layers, start=1):
        for own, chosen in ((ONLY, [layer]), (ALL_BUT, [one for one in layers if one is not layer])):
            answers = predict_batches(model, x, np.concatenate([*compositions.values()]), chosen).argmax(-1)
            for (name, batches), part in zip(compositions.items(), np.split(answers, 2), strict=True):
                error = _error(part, labels[batches])
                rows.append({"layer": layer.name, "number": number, "own": own, "composition": name, "error": error})
    return rows


def crop_errors(model, crops, labels, seed=0):
    """Measure the error of balanced inference with probabilities averaged over crops of each image.

    Args:
        crops: List of arrays of examples, an array a crop.

    Returns:
        A list of rows with `crops`, `ONE_CROP`; `TOGETHER`, where all crops of an image meet the same other images; or
        `SHUFFLED`, where each meets others; and `error`.
    """
    batches = balanced_batches(labels, seed=seed)

    def scores(x, rows):
        return softmax(predict_batches(model, x, rows), axis=-1)

    first = scores(crops[0], batches)
    rows = [{"crops": ONE_CROP, "error": _error(first.argmax(-1), labels[batches])}]
    for name, versions in ((TOGETHER, [batches] * len(crops)), (SHUFFLED, reshuffled(batches, len(crops), seed))):
        sums = np.zeros((len(labels), batches.shape[1]))
        sums[batches] = first
        for x, version in zip(crops[1:], versions[1:], strict=True):
            sums[version] += scores(x, version)
        rows.append({"crops": name, "error": _error(sums[batches].argmax(-1), labels[batches])})
    return rows


def rebalancing(model, x, labels, rounds=20, seed=0):
    """Measure what balancing the test batches by predicted labels, over and over, does to the labels predicted.

    Returns:
        A list of rows with `round`, 0 with the predictions by `POPULATION`; `accuracy` in percent; and `changed`, the
        share of predictions that are not those of the round before, in percent.
    """
    classes = int(np.max(labels)) + 1
    used = np.arange(len(labels) - len(labels) % classes)
    answers = predict_batches(model, x, used[:, None], layers=[]).argmax(-1)[:, 0]
    rows = []
    for number in range(rounds + 1):
        before = answers.copy()
        if number:
            batches = semi_balanced_batches(before, classes, seed, epoch=number)
            answers[batches] = predict_batches(model, x, batches).argmax(-1)
        accuracy = 100 - _error(answers, labels[used])
        rows.append({"round": number, "accuracy": accuracy, "changed": _error(answers, before)})
    return rows


def _error(answers, labels):
    return float(100 * np.mean(answers != labels))

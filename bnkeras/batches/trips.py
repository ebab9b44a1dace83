"""Images that travel through balanced batches of others: which do, and what they are taken for."""

import numpy as np
from scipy.special import softmax

from bnkeras.batches.compositions import travelling
from bnkeras.batches.inference import predict_batches

WEAK, CONFIDENT, TWO = "weak", "confident", "two weak"


def travellers(model, x, labels, images=20, seed=0):
    """Choose images and the batches that they travel through.

    Weak images are drawn from those that the model gets wrong by the population's statistics, confident ones are
    those that it is surest of. A batch consists of one confident image of each class, each traveller's of another rank.

    Args:
        model: A `keras.Model` with logits, as `predict_batches` takes it, and the population's statistics.
        x: Array of examples.
        labels: Integers from 0 to `classes - 1`, of shape `(examples,)`.
        images: Integer, how many of each kind, at most. Defaults to `20`.
        seed: Integer of at least 0. Defaults to `0`.

    Returns:
        `(standard, trips)`: what the model takes each example for by the population's statistics, and for each kind,
        `WEAK`, `CONFIDENT` and `TWO`, a list of `(batch, images)`, indices of shapes `(classes,)` and `(1,)` or `(2,)`.
    """
    scores = softmax(predict_batches(model, x, np.arange(len(x))[:, None], layers=[])[:, 0], axis=-1)
    standard, classes = scores.argmax(-1), scores.shape[1]
    right = standard == labels
    surest = np.argsort(-scores.max(-1), kind="stable")
    ranked = [surest[right[surest] & (labels[surest] == label)] for label in range(classes)]
    ranks = min(images, *map(len, ranked))
    batches = [np.array([ranking[rank] for ranking in ranked]) for rank in range(ranks)]
    weak = np.random.default_rng(seed).permutation(np.flatnonzero(~right))
    singles = weak[:ranks, None]
    pairs = weak[: 2 * min(ranks, len(weak) // 2)].reshape(-1, 2)
    # A confident image travels through the batch of the next rank.
    confident = [batches[rank - 1][[rank % classes]] for rank in range(ranks if ranks > 1 else 0)]
    trips = {WEAK: singles, CONFIDENT: confident, TWO: pairs}
    return standard, {kind: list(zip(batches, who, strict=False)) for kind, who in trips.items()}


def travel_shares(model, x, labels, images=20, seed=0):
    """Measure what images are taken for that travel through balanced batches of confidently recognized ones.

    Args:
        model, x, labels, images, seed: See `travellers`.

    Returns:
        A list of rows with `kind`; `images`, how many trips; and shares of all of their steps in percent: `replaced`,
        taken for the class whose place it has, or for one of the two; `kept`, taken for its true class; `converted`,
        taken for the class replaced where that is neither its true class nor what it is taken for by the population's
        statistics; `shared`, two images taken for the two classes, one each. What has no meaning for a kind is `None`.
    """
    standard, trips = travellers(model, x, labels, images, seed)
    rows = []
    for kind, found in trips.items():
        row = {"kind": kind, "images": len(found)} | dict.fromkeys(("replaced", "kept", "converted", "shared"))
        rows.append(row | (_shares(model, x, labels, standard, found) if found else {}))
    return rows


def travel_rows(model, x, labels, images=4, seed=0):
    """Return every answer along some trips, for tables and `page.scenes_of`.

    Args:
        model, x, labels, images, seed: See `travellers`.

    Returns:
        A list of rows with `scene`, a number a trip; `kind`; `step`, 0 for the batch without the traveller, then which
        place it takes, from 1; `place`, from 0; `example`, its index; `label`, its class; `travels`; `answer`; and
        `p_0`, `p_1`, ..., the probability of each class.
    """
    _, trips = travellers(model, x, labels, images, seed)
    rows = []
    for scene, (kind, (batch, who)) in enumerate((kind, trip) for kind, found in trips.items() for trip in found):
        steps = travelling(batch, who)
        scores = softmax(predict_batches(model, x, steps), axis=-1)
        for (step, place), example in np.ndenumerate(steps):
            row = {"scene": scene, "kind": kind, "step": step, "place": place, "example": int(example)}
            row |= {"label": int(labels[example]), "travels": bool(example in who)}
            found = scores[step, place]
            rows.append(
                row | {"answer": int(found.argmax())} | {f"p_{i}": round(float(p), 4) for i, p in enumerate(found)}
            )
    return rows


def _shares(model, x, labels, standard, trips):
    size, count = len(trips[0][0]), len(trips[0][1])
    steps = np.stack([travelling(batch, who) for batch, who in trips])
    answers = predict_batches(model, x, steps.reshape(-1, size)).argmax(-1).reshape(steps.shape)[:, 1:]
    # The places taken at each step, and what is at them: (trips, steps, images).
    places = (np.arange(size)[:, None] + np.arange(count)) % size
    taken = np.take_along_axis(answers, np.broadcast_to(places, (len(trips), *places.shape)), axis=-1)
    replaced = np.stack([labels[batch][places] for batch, _ in trips])
    who = np.stack([who for _, who in trips])[:, None]
    foreign = (replaced != labels[who]) & (replaced != standard[who])
    if count == 1:
        extra = {"converted": _percent((taken == replaced)[foreign])}
    else:
        extra = {"shared": _percent((np.sort(taken) == np.sort(replaced)).all(-1))}
    inside = (taken[..., None] == replaced[:, :, None]).any(-1)
    return {"replaced": _percent(inside), "kept": _percent(taken == labels[who]), **extra}


def _percent(flags):
    return float(100 * np.mean(flags)) if np.size(flags) else None

"""What the evidence says to practice, and where the papers disagree.

Advice is shown only where a verdict carries it: no number stands in these texts, and none of them is shown that the
interval of its claim does not support.
"""

from dataclasses import dataclass

from bnkeras.evidence import claims, report


@dataclass(frozen=True)
class Advice:
    """What to do, by the side on which a claim's effect turns out to lie.

    Attributes:
        topic: When it matters.
        claim: Id of the claim that carries it.
        above: What to do if the effect is above 0. Defaults to `""`, nothing to say.
        none: If it is too small to matter.
        below: If it is below 0.
    """

    topic: str
    claim: str
    above: str = ""
    none: str = ""
    below: str = ""


ADVICE = (
    Advice(
        "If the training loss stays on a plateau",
        "M1",
        "try batch normalization: with sigmoids and narrow initial weights it is ahead in the third epoch.",
        "do not expect batch normalization to get it off.",
        "take batch normalization out.",
    ),
    Advice(
        "If you wonder what batch normalization costs in the end",
        "M2",
        "compare with a network without it, which may end higher.",
        "nothing that matters: choose by speed.",
        "no accuracy: trained in full, the network with it ended higher.",
    ),
    Advice("If an epoch must be fast", "M3", "count with its extra time.", "do not mind it.", "do not mind it."),
    Advice(
        "If you train for a few epochs only",
        "G1",
        "take batch normalization: it is ahead from the first epoch, on tables of numbers too.",
        "it makes no difference on tables of numbers.",
        "leave batch normalization out on tables of numbers.",
    ),
    Advice(
        "If you train to the end on a table of numbers",
        "G2",
        "take batch normalization.",
        "batch normalization or not is all the same.",
        "leave batch normalization out.",
    ),
    Advice(
        "If memory allows batches of two only",
        "B1",
        "do not normalize over them: batch normalization loses accuracy there.",
        "batch normalization bears it.",
        "batch normalization gains by it.",
    ),
    Advice(
        "If batches are smaller than about ten",
        "B2",
        "take layer normalization, which does better there.",
        "choose a learning rate before a layer: batch and layer normalization end alike, each at its own.",
        "stay with batch normalization, which does better there than layer normalization.",
    ),
    Advice(
        "If you standardize weights in small batches",
        "F1",
        "keep batch normalization beside it.",
        "batch normalization beside it changes nothing that matters.",
        "leave batch normalization out.",
    ),
    Advice(
        "If batches are of a usual size",
        "B3",
        "do not take weight standardization in place of batch normalization.",
        "weight standardization alone will do.",
        "weight standardization alone does better.",
    ),
    Advice(
        "If you cannot decide which normalization to take",
        "B6",
        "take weight standardization with batch normalization.",
        "spend the time on learning rate and batch size: at its best, the best other kind is level with both combined.",
        "take any but both combined.",
    ),
    Advice(
        "If features are correlated",
        "F2",
        "layer normalization gains on batch normalization.",
        "that is no reason to change the normalization.",
        "batch normalization gains on layer normalization.",
    ),
    Advice(
        "If there is one layer of batch normalization to place",
        "T3",
        "put it after the first block.",
        "put it where it costs least: no place is better by what matters.",
        "put it later than after the first block.",
    ),
    Advice(
        "If that network sees augmented images and the layer may stand before a pool",
        "T2",
        "put it after the first block rather than after the last.",
        "first block or last makes no difference that matters.",
        "put it after the last block rather than after the first.",
    ),
    Advice(
        "If you add batch normalization to a network",
        "T4",
        "search the learning rate anew, upward: larger ones train now.",
        "keep the learning rate.",
        "search the learning rate anew, downward.",
    ),
    Advice(
        "If the number of epochs is what counts",
        "T5",
        "use the larger rate that batch normalization bears: it reaches the same accuracy in fewer epochs.",
        "a larger rate beside batch normalization saves none.",
        "do not raise the rate beside batch normalization.",
    ),
    Advice(
        "If you consider to pool before ReLU",
        "T6",
        "do not.",
        "nothing is known that speaks against it.",
        "go on: it is the same function, and most runs of such a network train.",
    ),
    Advice(
        "If you report an error",
        "H1",
        "never evaluate on batches that were put together by their labels, with their own statistics: that is a leak.",
    ),
    Advice(
        "If predictions seem to depend on their neighbours",
        "H7",
        "look for statistics of the test batch: with them an example takes over the class that its batch lacks.",
    ),
    Advice(
        "If you want that gain without labels",
        "H8",
        "balance test batches by predicted labels.",
        "give it up: batches balanced by predicted labels change nothing.",
        "give it up: batches balanced by predicted labels do harm.",
    ),
    Advice(
        "If training batches come sorted or balanced by class",
        "H2",
        "shuffle them: one image at a time the network errs more.",
        "leave them: one image at a time the network errs as before.",
        "leave them: one image at a time the network errs less.",
    ),
    Advice(
        "If you choose between networks for images",
        "S1",
        "take batch normalization: the network ends higher on every set.",
        "batch normalization does not raise accuracy on every set: measure on yours.",
        "measure on your own images: on some set the network ends lower with it.",
    ),
    Advice(
        "If a network with sigmoids does not train",
        "S2",
        "put batch normalization before each of them.",
        "batch normalization is not the cure.",
    ),
    Advice(
        "If a network gets stuck at the learning rate you want",
        "S3",
        "try it again with batch normalization.",
        "batch normalization is not the cure: lower the rate.",
    ),
    Advice(
        "If you have no good initial weights",
        "S4",
        "use batch normalization, which gets the network going from wide ones too.",
        "batch normalization does not replace them.",
    ),
    Advice(
        "If you use weight decay",
        "S5",
        "keep batch normalization beside it.",
        "batch normalization adds nothing that matters to it.",
        "it does better without batch normalization.",
    ),
    Advice(
        "If you use dropout",
        "S6",
        "keep batch normalization beside it.",
        "batch normalization adds nothing that matters to it.",
        "leave one of the two out: beside dropout batch normalization ends lower.",
    ),
    Advice(
        "If you choose a batch size from 32 on",
        "S7",
        "choose it for speed: batch normalization is ahead at each of them.",
        "expect no gain of batch normalization at some of them.",
        "expect batch normalization to end lower at some of them.",
    ),
    Advice(
        "If you consider ELU in place of batch normalization",
        "S9",
        "stay with ReLU and batch normalization.",
        "take it: both end alike.",
        "take it: it ends higher.",
    ),
    Advice("If gradients vanish or explode", "S11", "batch normalization evens them out.", "look elsewhere."),
)


@dataclass(frozen=True)
class Disagreement:
    """A question to which papers give different answers.

    Attributes:
        question: What they disagree on.
        said: What each says, and why both can be honest.
        settles: What was done to settle it.
        claims: Ids of the claims that are at stake.
    """

    question: str
    said: str
    settles: str
    claims: tuple[str, ...]


DISAGREEMENTS = (
    Disagreement(
        "Does a network with batch normalization end higher?",
        "The course report says that the base model ends higher; the thesis says that batch normalization does, on all "
        "four of its sets. The report does not say with which statistics it infers.",
        "Both networks in full, with the population's statistics, and over the settings that are not given.",
        ("M2", "S1"),
    ),
    Disagreement(
        "Does batch normalization bear small batches?",
        "The course report says that small batches ruin it; the thesis, that it is ahead at every batch size and best "
        "at the smallest. One looks at batches of 1 to 64, the other at 32 to 1,024.",
        "One network over all sizes, with one learning rate and with one in proportion to the batch size.",
        ("B1", "S7"),
    ),
    Disagreement(
        "What does it cost in time?",
        "The course report and the thesis both find some 15 to 20 % more for an epoch, on machines and with libraries "
        "of their time; Tang & Fong find that fewer epochs are needed.",
        "The time of an epoch on one thread of one machine, and the epochs that a given accuracy takes.",
        ("M3", "S8", "T5"),
    ),
    Disagreement(
        "Is the first layer the place for it?",
        "Tang & Fong put one layer after the first block and lose accuracy the later it comes; the others put one "
        "after every block and do not ask.",
        "The same network with one layer at each of four places, in the text's form and in that of its code.",
        ("T2", "T3"),
    ),
    Disagreement(
        "May a test batch be normalized by itself?",
        "Hajaj & Gillies report errors a fraction of the usual ones that way, if it has one image of each class; the "
        "others infer with fixed statistics.",
        "The same networks both ways, and without what the labels of the test set give away.",
        ("H1", "H2", "H8"),
    ),
)


def advice(verdicts, link):
    """The advice that verdicts carry, as a Markdown list: a line each, with claim, effect and interval.

    Args:
        verdicts: Table of `studies.of_all_claims`.
        link: Function of the name of a study to where its figures are.
    """
    rows = {row.claim.id: row for row in verdicts.itertuples()}
    lines = []
    for item in ADVICE:
        row = rows.get(item.claim)
        if row is None or row.outcome in (claims.INCONCLUSIVE, claims.NOT_ENOUGH_RUNS, claims.NOT_RUN):
            continue
        what = getattr(item, claims.side(row))
        if what:
            lines.append(f"- **{item.topic}**: {what} ([{row.claim.id}]({link(row.study)}): {report.effect(row)})")
    return "\n".join(lines)


def at_stake(disagreement, verdicts):
    """The rows of the verdicts that a disagreement is about."""
    return verdicts[[claim.id in disagreement.claims for claim in verdicts.claim]]

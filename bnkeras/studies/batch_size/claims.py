"""Claim B1 with its headline and what else was explored."""

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import at_inference, drops, headline, no_effects, where

ACTIVATION, STDDEV, RULE, RATE = "sigmoid", 0.05, "scaled", 0.5
SMALL, REFERENCE = 2, 64
FORM = ["activation", "stddev", "rate"]
_MAIN = {"activation": ACTIVATION, "stddev": STDDEV, "rate": RATE, "rule": RULE, "budget": "epochs"}
_CONDITIONS = ["rule", "budget"]


def of_all_images(table):
    """The rows of the runs on as many images as the headline's; the map is on fewer."""
    return table[table.images == table.images.max()]


def by_size(table, by, way="population", value="points"):
    """Test accuracy in points, or another value: a column per batch size, rows `by` and `seed`."""
    table = at_inference(table, way).assign(points=lambda rows: 100 * rows.test_accuracy)
    return table.pivot(index=[*by, "seed"], columns="batch_size", values=value)


def explored(tables):
    """The rows at the headline's rate and form, at all batch sizes."""
    return where(of_all_images(tables["epochs"]), rate=RATE, activation=ACTIVATION, stddev=STDDEV)


def _of_bn(tables):
    return where(explored(tables), normalization="bn")


def headline_drop(tables):
    """The drop of BN at batch 2, with the population's statistics, at equal epochs and scaled rate."""
    wide = by_size(headline(of_all_images(tables["epochs"]), normalization="bn", **_MAIN), [])
    return wide[REFERENCE] - wide[SMALL]


def drops_by_size(way):
    """The drop of BN at every small batch, rule and budget."""

    def effect(tables):
        return drops(by_size(_of_bn(tables), _CONDITIONS, way), REFERENCE)

    return effect


def drop_beyond_base(tables):
    """The drop of BN minus that of the base model."""
    both = drops(by_size(explored(tables), ["normalization", *_CONDITIONS]), REFERENCE).unstack("normalization")
    return (both["bn"] - both["none"]).dropna() if "none" in both else both["bn"][:0]


def rise_of_loss(tables):
    """Test loss of BN at each small batch minus at batch 64."""
    return -drops(by_size(_of_bn(tables), _CONDITIONS, value="test_loss"), REFERENCE)


def lag(tables):
    """Accuracy of BN with the population's statistics minus with moving averages."""
    table = _of_bn(tables)
    gain = by_size(table, _CONDITIONS) - by_size(table, _CONDITIONS, "moving averages")
    return gain.stack().reorder_levels(["batch_size", *_CONDITIONS, "seed"]).sort_index()


def drop_by_form(tables):
    """The drop at batch 2 over initial deviations, learning rates and activations, on fewer images."""
    epochs = tables["epochs"]
    fewer = epochs[(epochs.images < epochs.images.max()) & (epochs.budget == "epochs")]
    if fewer.empty:
        return no_effects()
    wide = by_size(fewer, FORM)
    return wide[REFERENCE] - wide[SMALL]


_DROP = "test accuracy of BN, batch 64 minus the small batch"

CLAIMS = (
    Claim(
        "B1",
        "mnist-report",
        "Batch normalization gets much worse, in accuracy and in validation loss, as the batch gets small.",
        "figure",
        Measure("test accuracy of BN, batch 64 minus batch 2", headline_drop, "points", 2),
        (
            Measure(_DROP, drops_by_size("population"), "points", 2),
            Measure(f"{_DROP}, with moving averages", drops_by_size("moving averages"), "points", 2),
            Measure("test loss of BN, the small batch minus batch 64", rise_of_loss, "nats"),
            Measure(
                "the same drop in accuracy, BN's minus the base model's",
                drop_beyond_base,
                "points",
                2,
                sentence="It suffers more than the base model does.",
            ),
            Measure(
                "accuracy of BN, with the population's statistics minus with moving averages",
                lag,
                "points",
                2,
                sentence="One cause: moving averages are a poor guide to the population.",
            ),
            Measure("test accuracy of BN, batch 64 minus batch 2, 10,000 images", drop_by_form, "points", 2),
        ),
        unknown="learning rate (0.05 to 5 at batch 64, fixed or scaled) and initial deviation (0.05 to 0.8)",
        proof="tests/test_batch_norm.py::test_a_batch_of_one_is_beta",
        plain=(
            "BN loses accuracy where the batch is small.",
            "BN loses nothing that matters at batches of two.",
            "BN gains accuracy where the batch is small.",
        ),
    ),
)

"""Claims B1 and S7, each with the effects that measure it."""

import pandas as pd

from bnkeras.evidence.claims import Claim, Measure
from bnkeras.evidence.effects import at_inference

REFERENCE = 64
SMALL = (1, 4)
LARGE = 32  # from here on up is the range of S7
CONDITIONS = ["rule", "budget"]


def _wide(tables, value, inference):
    """`value` with a column per batch size; rows are normalization, rule, budget and seed."""
    chosen = at_inference(tables["epochs"], inference)
    return chosen.pivot(index=["normalization", *CONDITIONS, "seed"], columns="batch_size", values=value)


def _points(tables, inference="moving averages"):
    return 100 * _wide(tables, "test_accuracy", inference)


def _by_size(effects):
    """One Series of effects `{batch size: Series}`."""
    return pd.concat(effects, names=["batch_size"])


def _equal_epochs(effects):
    return effects.xs("epochs", level="budget", drop_level=False)


def drop(tables):
    """Test accuracy of BN at batch 64 minus at the small batch."""
    wide = _points(tables).loc["bn"]
    return _by_size({size: wide[REFERENCE] - wide[size] for size in SMALL})


def rise_of_loss(tables):
    """Test loss of BN at the small batch minus at batch 64."""
    wide = _wide(tables, "test_loss", "moving averages").loc["bn"]
    return _equal_epochs(_by_size({size: wide[size] - wide[REFERENCE] for size in SMALL}))


def drop_beyond_base(tables):
    """The drop in accuracy of BN minus that of the base model."""
    wide = _points(tables)
    drops = {size: wide[REFERENCE] - wide[size] for size in SMALL}
    return _equal_epochs(_by_size({size: drop.loc["bn"] - drop.loc["none"] for size, drop in drops.items()}))


def drop_by_noise(tables):
    """The drop in accuracy of BN with the population's statistics, which the training alone has caused."""
    wide = _points(tables, "population").loc["bn"]
    return _equal_epochs(_by_size({size: wide[REFERENCE] - wide[size] for size in SMALL}))


def lag(tables):
    """Accuracy of BN with the population's statistics minus with moving averages."""
    gain = _points(tables, "population").loc["bn"] - _points(tables).loc["bn"]
    return _equal_epochs(_by_size({size: gain[size] for size in (*SMALL, max(gain))}))


def least_lead(tables):
    """Lead of BN over the base model at the batch size from 32 up where it is smallest."""
    wide = _points(tables)
    lead = wide.loc["bn"] - wide.loc["none"]
    return lead[[size for size in lead if size >= LARGE]].min(axis=1)


def gain_of_small(tables):
    """Accuracy at the smallest minus at the largest batch from 32 up, in the model that gains less."""
    wide = _points(tables)
    large = [size for size in wide if size >= LARGE]
    return (wide[min(large)] - wide[max(large)]).groupby([*CONDITIONS, "seed"]).min()


CLAIMS = (
    Claim(
        "B1",
        "mnist-report",
        "Batch normalization gets much worse as the batch gets small.",
        "figure",
        (
            Measure("test accuracy of BN, batch 64 minus the small batch, points", drop),
            Measure("test loss of BN, the small batch minus batch 64", rise_of_loss),
            Measure(
                "the same drop in accuracy, BN's minus the base model's, points",
                drop_beyond_base,
                sentence="It suffers more than the base model does.",
            ),
            Measure(
                "accuracy of BN with the population's statistics, batch 64 minus the small batch, points",
                drop_by_noise,
                sentence="One cause: the noise of small batches spoils the training itself.",
            ),
            Measure(
                "accuracy of BN, with the population's statistics minus with moving averages, points",
                lag,
                sentence="Another cause: moving averages are a poor guide to the population.",
            ),
        ),
    ),
    Claim(
        "S7",
        "schilling",
        "Batch normalization is ahead at every batch size from 32 to 1,024, and smaller batches are better for both.",
        "figure, 32 to 1,024",
        (
            Measure("lead of BN over the base model where it is smallest, points", least_lead),
            Measure(
                "test accuracy at the smallest minus at the largest batch, in the model that gains less, points",
                gain_of_small,
                sentence="From 32 to 1,024, smaller batches are better for both models.",
            ),
        ),
    ),
)

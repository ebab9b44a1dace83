"""What the causes are judged by, and what several of them ask of it."""

import dataclasses

import keras
import numpy as np
import pandas as pd

GAP = 0.25
"""How far moving statistics may be off, in standard deviations or as a share of the variance."""
HIDES = 10
"""Epsilon hides a variance that it exceeds so many times."""


@dataclasses.dataclass
class Evidence:
    """What the causes are judged by.

    Attributes:
        model, layers: The model and its batch normalization layers.
        table, losses: As in `Diagnosis`.
        batch_size: Integer.
        moving: For each layer, its moving mean and variance.
        data: For each layer, mean and variance of what reaches it in training, `None` where nothing does.
        dtypes: For each layer, the dtype of what reaches it.
        as_inference: For each layer, whether its moving statistics are nearer to those of the data without dropout
            than to those of the training.
        hidden: Names of batch normalization layers that Keras does not track, sorted.
        depends: Float, how much an answer changes with the other examples of its batch, in standard deviations.
        random: The same from one call to the next.
    """

    model: keras.Model
    layers: list
    table: pd.DataFrame
    losses: pd.Series
    batch_size: int
    moving: list
    data: list
    dtypes: list
    as_inference: list
    hidden: list
    depends: float
    random: float


def named(names, most=3):
    """The first few names of layers, and how many there are besides."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def costs(evidence):
    """Return whether the moving statistics cost loss, against the population's; `True` where that is not known."""
    losses = evidence.losses
    if "population" not in losses or not np.isfinite(losses["population"]):
        return True
    return not _in_inference(losses) - losses["population"] <= 0.05 * abs(losses["population"]) + 1e-3


def price_of(evidence):
    """The sentence that says what the moving statistics cost, where there is a loss."""
    if "population" not in evidence.losses:
        return ""
    losses = evidence.losses
    return (
        f" The loss is {_in_inference(losses):.4g} in inference, {losses['population']:.4g} with the data's statistics."
    )


def _in_inference(losses):
    """The loss in inference, on the same batches as the population's."""
    return losses.get("inference, mixed", losses["inference"])


def renormalizes(evidence):
    """For each layer, whether it corrects the batch's statistics towards the moving ones, as an array."""
    return np.array([getattr(layer, "renorm", False) for layer in evidence.layers], bool)


def estimate_call(evidence):
    """The call that takes the data's statistics; empty with a layer that renormalizes, for which it is refused."""
    call = f"estimate_population_statistics(model, x, batch_size={evidence.batch_size})"
    return "" if renormalizes(evidence).any() else call


def off_rows(evidence, frozen):
    """Rows of layers that infer with moving statistics which are off by more than their noise, worst first."""
    table = evidence.table
    used = table.frozen.eq(frozen) & table.by_batch.eq(False)  # NaN where a layer is not called
    used &= table["values"] > 1
    gap = table[["mean_gap", "variance_gap"]].max(axis=1)
    return table.assign(gap=gap)[used & (gap > GAP + 3 * table.noise)].sort_values("gap", ascending=False)


def steps_done(model):
    """How many training steps the optimizer of a model has behind it."""
    optimizer = getattr(model, "optimizer", None) if model.compiled else None
    return int(optimizer.iterations) if getattr(optimizer, "built", False) else 0


def layer_of(evidence, name):
    """The layer of a row of the table."""
    return evidence.layers[list(evidence.table.index).index(name)]

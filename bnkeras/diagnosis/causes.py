"""What can be wrong with the statistics: each function takes the evidence and returns a finding or `None`."""

import numpy as np

from bnkeras.diagnosis.evidence import (
    GAP,
    HIDES,
    costs,
    estimate_call,
    layer_of,
    named,
    off_rows,
    price_of,
    renormalizes,
    steps_done,
)
from bnkeras.diagnosis.report import Finding

FEW_VALUES = 16  # standard error of the mean of as many: a quarter of a standard deviation
CONSTANT_SHARE, EPSILON_SHARE = 0.05, 0.25  # of channels
SHIFT = 1.1  # of the variance by dropout


def lagging_averages(evidence):
    """Moving statistics that are far from the data's, in layers that update them."""
    rows = off_rows(evidence, frozen=False)
    if rows.empty or not costs(evidence):
        return None
    worst = rows.iloc[0]
    momentum = layer_of(evidence, rows.index[0]).momentum
    sentence = (
        f"The moving statistics of {named(rows.index)} are not those of the data; in {rows.index[0]!r} the mean is off "
        f"by {worst.mean_gap:.2g} standard deviations and the variance by {_share(worst.variance_gap)}. "
        f"{_steps(evidence, worst, momentum)}{price_of(evidence)}"
    )
    cure = "take the data's statistics, after training or with the callback PopulationStatistics; or a smaller momentum"
    severity = "high" if len(evidence.losses) else "medium"
    return Finding(
        "lagging averages", severity, sentence, cure, estimate_call(evidence), tuple(rows.index), worst.gap / GAP
    )


def _share(gap):
    return f"{100 * gap:.3g} %" if gap < 10 else f"{gap:.3g} times its value"


def _steps(evidence, worst, momentum):
    done = steps_done(evidence.model)
    known = f"After {done} steps, {100 * momentum**done:.0f} % of their initial values is left. " if done else ""
    if not np.isfinite(worst.steps):
        return f"{known}With momentum {momentum:g} they will never be within 10 % of them."
    settled = f"within 10 % after {worst.steps:.0f} more steps, were the weights to rest."
    return f"{known}With momentum {momentum:g} they would be {settled}"


def noisy_averages(evidence):
    """Moving statistics over so few batches that they are as noisy as these."""
    table = evidence.table
    rows = table[table.frozen.eq(False) & (table.noise > GAP)].sort_values("noise", ascending=False)
    if rows.empty or not costs(evidence):
        return None
    momentum = layer_of(evidence, rows.index[0]).momentum
    sentence = (
        f"With momentum {momentum:g} the moving statistics of {named(rows.index)} average over so few batches that "
        f"they are off by {rows.noise.iloc[0]:.2g} standard deviations or more at random.{price_of(evidence)}"
    )
    cure = "take the data's statistics; or a larger momentum, or larger batches"
    return Finding(
        "noisy averages", "medium", sentence, cure, estimate_call(evidence), tuple(rows.index), rows.noise.iloc[0] / GAP
    )


def small_batches(evidence):
    """Batches that leave a layer too few values per channel in training."""
    table = evidence.table
    values = table[["values", "effective"]].min(axis=1)
    few = table.frozen.eq(False) & (values < FEW_VALUES) & ~renormalizes(evidence)
    rows = table.assign(n=values)[few].sort_values("n")
    if rows.empty:
        return None
    n = rows.n.iloc[0]
    effect = "normalizes them to beta, whatever the input" if n <= 1 else f"is off by {n**-0.5:.2g} standard deviations"
    sentence = (
        f"A batch of {evidence.batch_size} gives {named(rows.index)} the equivalent of {n:.3g} values per channel, so "
        f"that in training the batch's mean {effect}, and training differs from inference."
    )
    cure = (
        "larger or well mixed batches; synchronized=True over devices; renorm=True; GroupNormalization; or, to "
        "fine-tune a trained model, frozen statistics"
    )
    call = 'freeze(model, "statistics")' if steps_done(evidence.model) else ""
    severity = "high" if n <= 2 else "medium"
    return Finding("small batches", severity, sentence, cure, call, tuple(rows.index), FEW_VALUES / n)


def constant_channels(evidence):
    """Channels whose input is the same for all data."""
    rows = evidence.table[evidence.table.constant > CONSTANT_SHARE].sort_values("constant", ascending=False)
    if rows.empty:
        return None
    share = rows.constant.iloc[0]
    sentence = (
        f"{100 * share:.0f} % of the channels that reach {rows.index[0]!r} are constant over the data: the output "
        f"there is beta whatever the input. Layers concerned: {named(rows.index)}."
    )
    cure = "look for dead units before the layer (a smaller learning rate, another initializer) or unused inputs"
    severity = "high" if share == 1 else "low"
    return Finding("constant channels", severity, sentence, cure, "", tuple(rows.index), share / CONSTANT_SHARE)


def epsilon_too_large(evidence):
    """Channels whose variance is nothing beside epsilon."""
    table = evidence.table
    rows = table[table.hidden_by_epsilon > EPSILON_SHARE].sort_values("hidden_by_epsilon", ascending=False)
    if rows.empty:
        return None
    layer, share = layer_of(evidence, rows.index[0]), rows.hidden_by_epsilon.iloc[0]
    variances = evidence.data[evidence.layers.index(layer)][1]
    typical = np.median(variances[(variances > 0) & (HIDES * variances < layer.epsilon)])
    sentence = (
        f"epsilon={layer.epsilon:g} is more than {HIDES} times the variance of {100 * share:.0f} % of the channels "
        f"that reach {rows.index[0]!r} (their median: {typical:.2g}): their output has less than a third of unit "
        f"deviation. Layers concerned: {named(rows.index)}."
    )
    cure = "a smaller epsilon, or inputs and weights of a larger scale"
    call = f"BatchNormalization(epsilon={10.0 ** np.floor(np.log10(typical) - 2):.0e})"
    return Finding("epsilon too large", "medium", sentence, cure, call, tuple(rows.index), share / EPSILON_SHARE)


def dropout_before_normalization(evidence):
    """Layers whose input has another variance in training than in inference."""
    table = evidence.table
    shift = np.exp(np.abs(np.log(table.dropout_shift.astype("float64"))))
    shifted = (shift > SHIFT) & table.by_batch.eq(False) & ~np.array(evidence.as_inference, bool)
    rows = table.assign(s=shift)[shifted].sort_values("s", ascending=False)
    if rows.empty or not costs(evidence):
        return None
    sentence = (
        f"Dropout or noise before {named(rows.index)} makes the variance there {rows.dropout_shift.iloc[0]:.3g} times "
        f"what it is in inference, and the moving statistics are those of training.{price_of(evidence)}"
    )
    cure = "put dropout behind the last batch normalization; or take statistics without dropout after training"
    call, size = estimate_call(evidence), np.log(rows.s.iloc[0]) / np.log(SHIFT)
    return Finding("dropout before normalization", "medium", sentence, cure, call, tuple(rows.index), size)


CAUSES = (
    lagging_averages,
    noisy_averages,
    small_batches,
    constant_channels,
    epsilon_too_large,
    dropout_before_normalization,
)

"""What can be wrong by what was measured: each function takes the evidence and returns a finding or `None`."""

import numpy as np

from bnkeras.diagnosis.report import Finding

GAP = 0.25  # of moving statistics, in standard deviations or as a share of the variance
FEW_VALUES = 16  # standard error of the mean of as many: a quarter of a standard deviation
CONSTANT_SHARE, EPSILON_SHARE = 0.05, 0.1  # of channels
SHIFT = 1.1  # of the variance by dropout
DEPENDENCE = 1e-2  # of outputs on the batch, in their standard deviations; float16 rounds to about 1e-3
FLOAT16_MAX = 65504.0


def named(names, most=3):
    """The first few names of layers, and how many there are besides."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _costs(evidence):
    """Whether the moving statistics cost loss, against the population's; `True` where that is not known."""
    losses = evidence.losses
    if "population" not in losses or not np.isfinite(losses["population"]):
        return True
    return not losses["inference"] - losses["population"] <= 0.05 * abs(losses["population"]) + 1e-3


def _price(evidence):
    if "population" not in evidence.losses:
        return ""
    losses = evidence.losses
    return (
        f" The loss is {losses['inference']:.4g} in inference, {losses['population']:.4g} with the data's statistics."
    )


def estimate_call(evidence):
    """The call that takes the data's statistics."""
    return f"estimate_population_statistics(model, x, batch_size={evidence.batch_size})"


def _gap(table):
    return table[["mean_gap", "variance_gap"]].max(axis=1)


def off_rows(evidence, frozen):
    """Rows of layers that infer with moving statistics which are off by more than their noise, worst first."""
    table = evidence.table
    used = (table.frozen == frozen) & (table.by_batch == False)  # noqa: E712 - NaN where a layer is not called
    used &= table["values"] > 1
    gap = _gap(table)
    return table.assign(gap=gap)[used & (gap > GAP + 3 * table.noise)].sort_values("gap", ascending=False)


def lagging_averages(evidence):
    """Moving statistics that are far from the data's, in layers that update them."""
    rows = off_rows(evidence, frozen=False)
    if rows.empty or not _costs(evidence):
        return None
    worst = rows.iloc[0]
    momentum = _layer(evidence, rows.index[0]).momentum
    sentence = (
        f"The moving statistics of {named(rows.index)} are not those of the data; at worst the mean is off by "
        f"{worst.mean_gap:.2g} standard deviations and the variance by {100 * worst.variance_gap:.3g} %. "
        f"{_steps(evidence, worst, momentum)}{_price(evidence)}"
    )
    cure = "take the data's statistics, after training or with the callback PopulationStatistics; or a smaller momentum"
    severity = "high" if len(evidence.losses) else "medium"
    return Finding(
        "lagging averages", severity, sentence, cure, estimate_call(evidence), tuple(rows.index), worst.gap / GAP
    )


def _steps(evidence, worst, momentum):
    done = _steps_done(evidence.model)
    known = f"After {done} steps, {100 * momentum**done:.0f} % of their initial values is left. " if done else ""
    if not np.isfinite(worst.steps):
        return f"{known}With momentum {momentum:g} they will never be within 10 % of them."
    settled = f"within 10 % after {worst.steps:.0f} more steps, were the weights to rest."
    return f"{known}With momentum {momentum:g} they would be {settled}"


def _steps_done(model):
    optimizer = getattr(model, "optimizer", None) if model.compiled else None
    return int(optimizer.iterations) if getattr(optimizer, "built", False) else 0


def _layer(evidence, name):
    return evidence.layers[list(evidence.table.index).index(name)]


def noisy_averages(evidence):
    """Moving statistics over so few batches that they are as noisy as these."""
    table = evidence.table
    rows = table[(table.frozen == False) & (table.noise > GAP)].sort_values("noise", ascending=False)  # noqa: E712
    if rows.empty or not _costs(evidence):
        return None
    momentum = _layer(evidence, rows.index[0]).momentum
    sentence = (
        f"With momentum {momentum:g} the moving statistics of {named(rows.index)} average over so few batches that "
        f"they are off by {rows.noise.iloc[0]:.2g} standard deviations or more at random.{_price(evidence)}"
    )
    cure = "take the data's statistics; or a larger momentum, or larger batches"
    return Finding(
        "noisy averages", "medium", sentence, cure, estimate_call(evidence), tuple(rows.index), rows.noise.iloc[0] / GAP
    )


def small_batches(evidence):
    """Batches that leave a layer too few values per channel in training."""
    table = evidence.table
    values = table[["values", "effective"]].min(axis=1)
    rows = table.assign(n=values)[(table.frozen == False) & (values < FEW_VALUES)].sort_values("n")  # noqa: E712
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
    call = 'freeze(model, "statistics")' if _steps_done(evidence.model) else ""
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
    """Channels whose variance is smaller than epsilon."""
    table = evidence.table
    rows = table[table.below_epsilon > EPSILON_SHARE].sort_values("below_epsilon", ascending=False)
    if rows.empty:
        return None
    layer, share = _layer(evidence, rows.index[0]), rows.below_epsilon.iloc[0]
    variances = evidence.data[evidence.layers.index(layer)][1]
    smallest = np.median(variances[variances > 0])
    sentence = (
        f"epsilon={layer.epsilon:g} exceeds the variance of {100 * share:.0f} % of the channels that reach "
        f"{rows.index[0]!r} (median {smallest:.2g}): they are scaled down to less than 0.71 of unit variance. Layers "
        f"concerned: {named(rows.index)}."
    )
    cure = "a smaller epsilon, or inputs and weights of a larger scale"
    call = f"BatchNormalization(epsilon={10.0 ** np.floor(np.log10(smallest) - 2):.0e})"
    return Finding("epsilon too large", "medium", sentence, cure, call, tuple(rows.index), share / EPSILON_SHARE)


def dropout_before_normalization(evidence):
    """Layers whose input has another variance in training than in inference."""
    table = evidence.table
    shift = np.exp(np.abs(np.log(table.dropout_shift.astype("float64"))))
    rows = table.assign(s=shift)[(shift > SHIFT) & (table.by_batch == False)]  # noqa: E712
    rows = rows.sort_values("s", ascending=False)
    if rows.empty or not _costs(evidence):
        return None
    sentence = (
        f"Dropout or noise before {named(rows.index)} makes the variance there {rows.dropout_shift.iloc[0]:.3g} times "
        f"what it is in inference, and the moving statistics are those of training.{_price(evidence)}"
    )
    cure = "put dropout behind the last batch normalization; or take statistics without dropout after training"
    call, size = estimate_call(evidence), np.log(rows.s.iloc[0]) / np.log(SHIFT)
    return Finding("dropout before normalization", "medium", sentence, cure, call, tuple(rows.index), size)


def values_not_finite(evidence):
    """NaN and infinite values before a layer, and float16 that is about to overflow."""
    table = evidence.table
    half = np.array([dtype == "float16" for dtype in evidence.dtypes], bool)
    rows = table[(table.not_finite > 0) | (half & (table.peak > FLOAT16_MAX / 2))]
    if rows.empty:
        return None
    first, wrong = rows.index[0], rows.not_finite.iloc[0] > 0
    what = f"{rows.not_finite.iloc[0]:.0f} NaN or infinite values" if wrong else f"values of {rows.peak.iloc[0]:.3g}"
    if half[list(table.index).index(first)]:
        sentence = f"{what} reach {first!r} in float16, which ends at 65504."
        cure = "scale the inputs or weights down, normalize earlier, or compute in bfloat16 or float32"
        call = 'keras.config.set_dtype_policy("mixed_bfloat16")'
        return Finding("float16 overflow", "high" if wrong else "medium", sentence, cure, call, tuple(rows.index), 99.0)
    sentence = f"{what} reach {first!r}, the first such layer of {len(rows)}."
    cure = "look for NaN in the data, and for weights that diverged before this layer"
    return Finding("values not finite", "high", sentence, cure, "", tuple(rows.index), 99.0)


def statistics_not_finite(evidence):
    """Moving statistics that are NaN or infinite, or that float16 cannot hold."""
    names = [
        name
        for name, layer, moving, data in zip(
            evidence.table.index, evidence.layers, evidence.moving, evidence.data, strict=True
        )
        if not np.isfinite(moving).all()
        or (layer.variable_dtype == "float16" and data is not None and np.max(data) > FLOAT16_MAX)
    ]
    if not names:
        return None
    sentence = f"The moving statistics of {named(names)} are NaN, infinite or too large for their dtype."
    cure = "keep variables in float32, and take the data's statistics once the data and the weights are finite"
    return Finding("statistics not finite", "high", sentence, cure, estimate_call(evidence), tuple(names), 98.0)


def answers_depend_on_the_batch(evidence):
    """Inference in which an example's output changes with the others of its batch."""
    if evidence.depends <= DEPENDENCE:
        return None
    names = list(evidence.table.index[evidence.table.by_batch == True])  # noqa: E712
    by = f"{named(names)} normalize by the batch in inference" if names else "something else than batch normalization"
    losses, order = evidence.losses, ""
    if "inference, mixed" in losses:
        order = (
            f" The loss is {losses['inference']:.4g} in the order of the data and {losses['inference, mixed']:.4g} "
            f"shuffled: a score on data that are sorted, by class say, is not that of single examples."
        )
    sentence = (
        f"An output changes by up to {evidence.depends:.2g} standard deviations with the other examples of its batch: "
        f"{by}.{order}"
    )
    cure = (
        "infer with the population's statistics: inference='population', no batch_statistics, and no training=True "
        "where the layer is called"
    )
    size = evidence.depends / DEPENDENCE
    return Finding("answers depend on the batch", "high", sentence, cure, estimate_call(evidence), tuple(names), size)


def random_answers(evidence):
    """Inference that draws random numbers."""
    if evidence.random <= DEPENDENCE:
        return None
    sentence = f"Two calls in inference differ by up to {evidence.random:.2g} standard deviations of the output."
    cure = "call dropout and noise layers without training=True, unless the average of several calls is wanted"
    return Finding("random answers", "medium", sentence, cure, size=evidence.random / DEPENDENCE)


CAUSES = (
    lagging_averages,
    noisy_averages,
    small_batches,
    constant_channels,
    epsilon_too_large,
    dropout_before_normalization,
    values_not_finite,
    statistics_not_finite,
    answers_depend_on_the_batch,
    random_answers,
)

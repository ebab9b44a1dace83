"""What can be wrong with the values and the answers: each function returns a finding or `None`."""

import numpy as np

from bnkeras.diagnosis.evidence import estimate_call, named
from bnkeras.diagnosis.report import Finding

DEPENDENCE = 1e-2  # of outputs on the batch, in their standard deviations; float16 rounds to about 1e-3
FLOAT16_MAX = 65504.0


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
    names = list(evidence.table.index[evidence.table.by_batch.eq(True)])
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
    cure, call = "look for what works along the batch axis: a concatenation or reshape that mixes rows, a mean", ""
    if names:
        cure = (
            "infer with the population's statistics: inference='population', no batch_statistics, and no training=True "
            "where the layer is called"
        )
        call = estimate_call(evidence)
    size = evidence.depends / DEPENDENCE
    return Finding("answers depend on the batch", "high", sentence, cure, call, tuple(names), size)


def random_answers(evidence):
    """Inference that draws random numbers."""
    if evidence.random <= DEPENDENCE:
        return None
    sentence = f"Two calls in inference differ by up to {evidence.random:.2g} standard deviations of the output."
    cure = "call dropout and noise layers without training=True, unless the average of several calls is wanted"
    return Finding("random answers", "medium", sentence, cure, size=evidence.random / DEPENDENCE)


CAUSES = (values_not_finite, statistics_not_finite, answers_depend_on_the_batch, random_answers)

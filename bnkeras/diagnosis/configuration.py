"""What can be wrong by how a model is set up: what is frozen, compiled, called, or not there."""

import keras

from bnkeras.diagnosis.evidence import GAP, estimate_call, layer_of, named, off_rows
from bnkeras.diagnosis.report import Finding
from bnkeras.forward import layer_names
from bnkeras.keras_internals import layers_of, optimized_variables

_TRACK = "keep layers as attributes of the model, or in lists and dicts that are, so that Keras finds them"


def _before(evidence, layer):
    """Layers with weights of their own that come before a layer in the model, batch normalization left out."""
    before = []
    for one in layers_of(evidence.model):
        if one is layer:
            break
        own = not isinstance(one, keras.Model) and one.weights
        if own and not any(one is norm for norm in evidence.layers):
            before.append(one)
    return before


def frozen_statistics(evidence):
    """Frozen layers whose moving statistics are not those of the data."""
    rows = off_rows(evidence, frozen=True)
    if rows.empty:
        return None
    moves = any(one.trainable_weights for one in _before(evidence, layer_of(evidence, rows.index[0])))
    why = (
        "weights before them are trained, and the statistics do not follow"
        if moves
        else "they are of other data, or were never estimated"
    )
    sentence = (
        f"{named(rows.index)} normalize by moving statistics in training too (trainable=False, or training=False), and "
        f"these are off by {rows.gap.iloc[0]:.2g} standard deviations or shares of the variance: {why}."
    )
    cure = "take the data's statistics before going on; or unfreeze the statistics while weights before them move"
    severity = "medium" if moves else "low"
    return Finding(
        "frozen statistics",
        severity,
        sentence,
        cure,
        estimate_call(evidence),
        tuple(rows.index),
        rows.gap.iloc[0] / GAP,
    )


def statistics_move_alone(evidence):
    """Layers that go on updating their statistics although all weights before them are frozen."""
    names = []
    for name in evidence.table.index[evidence.table.frozen.eq(False)]:  # NaN where a layer is not called
        before = _before(evidence, layer_of(evidence, name))
        if any(not one.trainable for one in before) and not any(one.trainable_weights for one in before):
            names.append(name)
    if not names:
        return None
    sentence = (
        f"All weights before {named(names)} are frozen, but the statistics are not: each training step moves them, so "
        "that the frozen part changes what it answers."
    )
    cure = "freeze the statistics too, where the frozen part shall stay as it is"
    return Finding("statistics move under frozen weights", "medium", sentence, cure, "freeze(model)", tuple(names))


def changed_after_compile(evidence):
    """Variables that the optimizer trains against those that are trainable now."""
    known = optimized_variables(evidence.model)
    if known is None or evidence.model.train_function is None:
        return None
    now = {id(variable) for variable in evidence.model.trainable_variables}
    changed = [variable.path for variable in known if id(variable) not in now]
    changed += [v.path for v in evidence.model.trainable_variables if id(v) not in set(map(id, known))]
    if not changed:
        return None
    sentence = (
        f"`trainable` of {named(changed)} has changed since training was compiled, which goes on with what held then: "
        "Keras does not warn of it."
    )
    cure = "compile the model again, with a new optimizer; `freeze` and `unfreeze` do so and keep the optimizer's state"
    return Finding("trainable changed after compile", "high", sentence, cure, "model.compile(...)", size=len(changed))


def not_called(evidence):
    """Layers that the model has but does not call."""
    names = list(evidence.table.index[evidence.table["values"].isna()])
    if not names:
        return None
    sentence = f"The model has but does not call {named(names)}, of which nothing can be said."
    return Finding("layers not called", "low", sentence, "remove them, or call them", "", tuple(names))


def hidden_layers(evidence):
    """Layers that the model calls and Keras does not track."""
    names = evidence.hidden
    if not names:
        return None
    sentence = (
        f"The model calls batch normalization that Keras does not track: {named(names)}. Its weights are neither "
        "trained nor saved, and of its statistics nothing can be said here."
    )
    return Finding("hidden layers", "high", sentence, _TRACK, "", tuple(names), len(names))


def no_normalization(evidence):
    """A model without batch normalization that Keras knows of."""
    if evidence.layers or evidence.hidden:
        return None
    sentence = (
        "The model has no batch normalization layer that Keras tracks, so training and inference differ by dropout and "
        f"noise alone. Its layers: {named(layer_names(evidence.model), most=10)}."
    )
    return Finding("no batch normalization", "low", sentence, _TRACK)


CAUSES = (frozen_statistics, statistics_move_alone, changed_after_compile, not_called, hidden_layers, no_normalization)

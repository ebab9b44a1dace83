"""Inference with each batch's own statistics, leaks between examples, and what is measured of them."""

import itertools

import keras
import numpy as np
import pytest
from helpers import noise
from scipy.special import log_softmax, softmax

from bnkeras import BatchNormLayer, batch_statistics, models
from bnkeras.batches import (
    balanced_batches,
    best_assignment,
    composition_errors,
    crop_errors,
    find_leaks,
    inference,
    layer_errors,
    measuring,
    predict_batches,
    rebalancing,
    reshuffled,
    travel_rows,
    travel_shares,
    travellers,
    trips,
)
from bnkeras.forward import batch_norms

X = noise(24, 6)
BATCHES = np.random.default_rng(0).permutation(24).reshape(4, 6)


def network(features=6, classes=3, normalization=BatchNormLayer):
    """Two layers of batch normalization with moving statistics that are no batch's."""
    generator = iter(keras.initializers.GlorotUniform(seed) for seed in range(9))
    inputs = x = keras.Input((features,))
    for name in ("bn_1", "bn_2"):
        x = normalization(name=name)(keras.layers.Dense(8, kernel_initializer=next(generator))(x))
        x = keras.layers.ReLU()(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, kernel_initializer=next(generator))(x), name="network")
    for layer in model.layers:
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(np.full(8, 0.3))
            layer.moving_variance.assign(np.full(8, 2.0))
    return model


def test_each_batch_by_its_own_statistics():
    model = network()
    with batch_statistics(model):
        expected = np.stack([np.array(model(X[batch], training=False)) for batch in BATCHES])
    np.testing.assert_allclose(predict_batches(model, X, BATCHES), expected, rtol=1e-4, atol=1e-5)


def test_no_layer_by_its_own_statistics_is_plain_inference():
    model = network()
    expected = np.array(model(X, training=False))[BATCHES]
    np.testing.assert_allclose(predict_batches(model, X, BATCHES, layers=[]), expected, rtol=1e-5, atol=1e-6)


def test_one_layer_by_its_own_statistics():
    model = network()
    layer = model.get_layer("bn_2")
    found = predict_batches(model, X, BATCHES, [layer])
    layer.inference = "batch"
    expected = np.stack([np.array(model(X[batch], training=False)) for batch in BATCHES])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_parts_of_a_batch_by_their_own_statistics():
    model = network()
    halves = predict_batches(model, X, BATCHES.reshape(8, 3)).reshape(4, 6, 3)
    np.testing.assert_allclose(predict_batches(model, X, BATCHES, group_size=3), halves, rtol=1e-4, atol=1e-5)


def test_many_batches_at_once_are_as_one_by_one():
    model, x = network(), noise(700, 6)
    batches = np.arange(700).reshape(70, 10)
    alone = np.concatenate([predict_batches(model, x, batch[None]) for batch in batches[::23]])
    np.testing.assert_allclose(predict_batches(model, x, batches)[::23], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("group_size", [None, 3])
def test_compiled_inference_sees_new_weights(monkeypatch, group_size):
    model = network()
    monkeypatch.setattr(inference, "_AT_ONCE", 12)  # two batches, and one in the end
    for factor in (1.0, 1.5):
        model.set_weights([factor * weight for weight in model.get_weights()])
        one_by_one = predict_batches(model, X, BATCHES[:3], batch_norms(model), group_size)
        found = predict_batches(model, X, BATCHES[:3], group_size=group_size)
        np.testing.assert_allclose(found, one_by_one, rtol=1e-4, atol=1e-5)
        standard = np.array(model(X, training=False))[BATCHES[:3]]
        np.testing.assert_allclose(predict_batches(model, X, BATCHES[:3], []), standard, rtol=1e-4, atol=1e-5)


def test_the_model_stays_as_it_was():
    model = network()
    before, expected = model.get_weights(), np.array(model(X, training=False))
    predict_batches(model, X, BATCHES)
    assert [(layer.inference, layer.group_size) for layer in batch_norms(model)] == [("population", None)] * 2
    np.testing.assert_array_equal(np.array(model(X, training=False)), expected)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_of_one_of_vectors_give_the_same_answer_for_all_and_a_warning():
    with pytest.warns(UserWarning, match="one value per channel"):
        found = predict_batches(network(), X, np.arange(24)[:, None])
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-6)


@pytest.mark.parametrize("batches", [np.arange(6), np.zeros((0, 3), int), np.zeros((2, 3))])
def test_batches_that_are_none(batches):
    with pytest.raises(ValueError, match="`batches`"):
        predict_batches(network(), X, batches)


@pytest.mark.parametrize("group_size", [0, 4, 7])
def test_group_sizes_that_do_not_divide(group_size):
    with pytest.raises(ValueError, match=f"Received: group_size={group_size}"):
        predict_batches(network(), X, BATCHES, group_size=group_size)


def test_layers_that_are_not_in_the_model():
    with pytest.raises(ValueError, match="`layers`"):
        predict_batches(network(), X, BATCHES, [BatchNormLayer()])
    with pytest.raises(TypeError, match="'bn_1'"):
        predict_batches(network(normalization=keras.layers.BatchNormalization), X, BATCHES)


def test_the_best_assignment_by_hand():
    # The second example would take class 0 too, but loses less by class 1 than the first.
    scores = np.array([[[5.0, 0.0, 0.0], [5.0, 4.0, 0.0], [0.0, 4.0, 3.5]]])
    np.testing.assert_array_equal(scores.argmax(-1), [[0, 0, 1]])
    np.testing.assert_array_equal(best_assignment(scores), [[0, 1, 2]])


def test_the_best_assignment_is_the_best_of_all():
    outputs = noise(5, 4, 4)
    for scores, found in zip(log_softmax(outputs.astype("float64"), -1), best_assignment(outputs), strict=True):
        sums = {order: scores[np.arange(4), order].sum() for order in itertools.permutations(range(4))}
        assert tuple(found) == max(sums, key=sums.get)


IMAGES = noise(12, 12, 12, 3)


@pytest.mark.parametrize(("normalization", "leaks"), [("bn", True), ("gn", False), ("ln", False), ("none", False)])
def test_what_leaks_in_training_mode(normalization, leaks):
    model = models.hajaj_gillies(8, 8, (12, 12, 3), 3, normalization, seed=0)
    rows = find_leaks(model, IMAGES, training=True)
    assert rows[-1]["layer"] == model.name
    assert rows[-1]["leaks"] == leaks
    found = [row["layer"] for row in rows[:-1] if row["leaks"]]
    assert found == ([f"bn_{number}" for number in range(1, 8)] if leaks else [])


def test_frozen_and_moving_statistics_do_not_leak():
    model = models.hajaj_gillies(8, 8, (12, 12, 3), 3, seed=0)
    assert not any(row["leaks"] for row in find_leaks(model, IMAGES))
    for layer in batch_norms(model):
        layer.trainable = False
    assert not any(row["leaks"] for row in find_leaks(model, IMAGES, training=True))


def test_one_layer_that_infers_by_batches_is_found_in_a_nested_model():
    inner = network()
    inner.get_layer("bn_2").inference = "batch"
    outer = keras.Sequential([keras.Input((6,)), keras.layers.Rescaling(2.0), inner, keras.layers.Softmax()])
    assert [row["layer"] for row in find_leaks(outer, X) if row["leaks"]] == ["bn_2", outer.name]


def test_keras_own_layer_and_dropout():
    layers = [keras.layers.Dropout(0.5, seed=1), keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((6,)), *layers], name="net")
    state = layers[0].seed_generator.state.numpy() if hasattr(layers[0].seed_generator.state, "numpy") else None
    before = model.get_weights()
    assert [row["layer"] for row in find_leaks(model, X, training=True) if row["leaks"]] == ["norm", "net"]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    if state is not None:
        np.testing.assert_array_equal(layers[0].seed_generator.state.numpy(), state)
    assert not any(
        row["leaks"] for row in find_leaks(keras.Sequential([keras.Input((6,)), layers[0]]), X, training=True)
    )


def test_leaks_cannot_be_seen_without_others():
    with pytest.raises(ValueError, match=r"`x` must hold at least two different examples\. Received: 3"):
        find_leaks(network(), np.repeat(X[:1], 3, axis=0))
    with pytest.raises(TypeError, match="`model`"):
        find_leaks("model", X)


def oracle(classes=4):
    """A network that takes the largest of its inputs for the answer, but for batch normalization."""
    inputs = keras.Input((2, classes))
    norm = BatchNormLayer(center=False, scale=False, name="norm")
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(norm(inputs)))
    norm.moving_mean.assign(np.zeros(classes))
    norm.moving_variance.assign(np.ones(classes))
    return model


def examples(classes=4, each=6, wrong=2, seed=0):
    """Scores of examples at two positions, in random order; so many of each class are taken for the next class."""
    labels = np.random.default_rng(seed).permutation(np.tile(np.arange(classes), each))
    rank = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])
    says = np.where(rank < wrong, (labels + 1) % classes, labels)
    x = 0.05 * noise(len(labels), 2, classes, seed=seed)
    x[np.arange(len(labels)), :, says] += 4
    return x.astype("float32"), labels


def answers(x):
    """What `oracle` takes examples for by the population's statistics."""
    return x.mean(1).argmax(-1)


def test_errors_by_composition():
    x, labels = examples()
    rows = composition_errors(oracle(), x, labels)
    assert [(row["composition"], row["statistics"], row["group_size"], row["answer"]) for row in rows] == [
        ("sorted by class", "batch's own", 4, "largest output"),
        ("2 classes", "batch's own", 4, "largest output"),
        ("random", "batch's own", 4, "largest output"),
        ("one class missing", "batch's own", 4, "largest output"),
        ("balanced", "population", 4, "largest output"),
        ("balanced", "population", 4, "best assignment"),
        ("balanced", "batch's own", 4, "largest output"),
        ("balanced", "batch's own", 4, "best assignment"),
        ("balanced", "batch's own", 1, "largest output"),
        ("balanced", "batch's own", 2, "largest output"),
    ]
    held = {row["composition"]: row["held"] for row in rows}
    assert held["sorted by class"] == 1
    assert held["one class missing"] == 3
    assert held["balanced"] == 4
    standard = next(row for row in rows if row["statistics"] == "population")
    assert standard["error"] == pytest.approx(100 / 3)


def test_errors_layer_by_layer():
    model = network(classes=3)
    labels = np.tile(np.arange(3), 8)
    rows = layer_errors(model, X, labels)
    assert [(row["layer"], row["number"]) for row in rows[::4]] == [("bn_1", 1), ("bn_2", 2)]
    batches = balanced_batches(labels)
    only = next(
        row for row in rows if (row["layer"], row["own"], row["composition"]) == ("bn_2", "only this", "balanced")
    )
    found = predict_batches(model, X, batches, [model.get_layer("bn_2")]).argmax(-1)
    assert only["error"] == pytest.approx(100 * np.mean(found != labels[batches]))


def test_errors_over_crops():
    x, labels = examples()
    alike = crop_errors(oracle(), [x, x, x], labels)
    assert [row["crops"] for row in alike] == [measuring.ONE_CROP, measuring.TOGETHER, measuring.SHUFFLED]
    assert alike[0]["error"] == alike[1]["error"]


def test_errors_over_crops_are_those_of_the_mean_probabilities():
    model, labels, crops = network(), np.tile(np.arange(3), 8), [X, X[:, ::-1], X**2]
    versions, sums = reshuffled(balanced_batches(labels), 3), np.zeros((24, 3))
    for crop, version in zip(crops, versions, strict=True):
        sums[version] += softmax(predict_batches(model, crop, version), axis=-1)
    shuffled = crop_errors(model, crops, labels)[2]
    assert shuffled["error"] == pytest.approx(100 * np.mean(sums.argmax(-1) != labels))


def test_rebalancing_starts_from_the_standard_answers_and_ends_where_they_are_right():
    x, labels = examples()
    rows = rebalancing(oracle(), x, labels, rounds=3)
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert rows[0]["accuracy"] == pytest.approx(100 * 2 / 3)
    assert rows[0]["changed"] == 0
    x, labels = examples(wrong=0)
    assert {(row["accuracy"], row["changed"]) for row in rebalancing(oracle(), x, labels, rounds=3)} == {(100, 0)}


def test_travellers_are_weak_or_confident_and_others_than_their_batch():
    x, labels = examples()
    standard, trips = travellers(oracle(), x, labels, images=3)
    np.testing.assert_array_equal(standard, answers(x))
    assert [len(found) for found in trips.values()] == [3, 3, 3]
    for kind, found in trips.items():
        for batch, who in found:
            np.testing.assert_array_equal(labels[batch], np.arange(4))
            np.testing.assert_array_equal(standard[batch], labels[batch])
            assert not set(who) & set(batch)
            assert np.all((standard[who] == labels[who]) == (kind == "confident"))
            assert len(who) == (2 if kind == "two weak" else 1)


def told_missing_classes(says, labels):
    """In place of `predict_batches`: weak images take the classes that the confident ones of their batch leave."""

    def predict(model, x, batches, layers=None, group_size=None):
        outputs = np.zeros((*batches.shape, 4))
        for row, batch in enumerate(batches):
            missing = sorted(set(range(4)) - set(labels[batch[says[batch] == labels[batch]]]))
            for place, example in enumerate(batch):
                weak = layers is None and says[example] != labels[example]
                outputs[row, place, missing.pop(0) if weak else says[example]] = 5
        return outputs

    return predict


def test_shares_where_weak_images_take_what_is_missing(monkeypatch):
    x, labels = examples()
    monkeypatch.setattr(trips, "predict_batches", told_missing_classes(answers(x), labels))
    rows = {row["kind"]: row for row in travel_shares(None, x, labels, images=3)}
    # A weak image is right where it replaces its own class, in one place of four.
    assert rows["weak"] == {"kind": "weak", "images": 3, "replaced": 100, "kept": 25, "converted": 100, "shared": None}
    assert (rows["confident"]["replaced"], rows["confident"]["kept"], rows["confident"]["converted"]) == (25, 100, 0)
    assert (rows["two weak"]["replaced"], rows["two weak"]["shared"]) == (100, 100)


def test_shares_where_images_stay_what_they_are(monkeypatch):
    x, labels = examples()
    monkeypatch.setattr(trips, "predict_batches", lambda model, x, batches, *_, **__: x.mean(1)[batches])
    rows = {row["kind"]: row for row in travel_shares(None, x, labels, images=3)}
    assert (rows["weak"]["replaced"], rows["weak"]["kept"], rows["weak"]["converted"]) == (25, 0, 0)
    assert (rows["confident"]["replaced"], rows["confident"]["kept"]) == (25, 100)


def test_no_weak_images():
    x, labels = examples(wrong=0)
    rows = {row["kind"]: row for row in travel_shares(oracle(), x, labels)}
    assert rows["weak"] == {"kind": "weak", "images": 0} | dict.fromkeys(("replaced", "kept", "converted", "shared"))
    assert rows["confident"]["images"] == 6


def test_rows_of_trips():
    x, labels = examples()
    rows = travel_rows(oracle(), x, labels, images=2)
    assert len(rows) == 6 * 5 * 4
    for row in rows:
        assert row["label"] == labels[row["example"]]
        assert row["answer"] == max(range(4), key=lambda i: row[f"p_{i}"])
        assert sum(row[f"p_{i}"] for i in range(4)) == pytest.approx(1, abs=1e-3)
        if row["kind"] != "two weak":
            assert row["travels"] == (row["place"] == row["step"] - 1)

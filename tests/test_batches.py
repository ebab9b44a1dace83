"""Samplers of batches: what each holds, how often, and what they refuse."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnkeras import training
from bnkeras.batches import (
    BalancedDataset,
    balanced_batches,
    few_classes,
    one_missing,
    reshuffled,
    semi_balanced_batches,
    travelling,
)

seeds = st.integers(0, 2**32)


@st.composite
def labelled(draw, most_classes=6, least=1, most=9):
    """Labels in any order, of at least `least` examples of each class."""
    counts = draw(st.lists(st.integers(least, most), min_size=1, max_size=most_classes))
    return np.random.default_rng(draw(seeds)).permutation(np.repeat(np.arange(len(counts)), counts))


@given(labelled(), st.integers(1, 4), st.integers(1, 3), seeds, st.integers(0, 5))
def test_every_group_holds_as_many_of_each_class_and_no_example_comes_twice(labels, per_class, groups, seed, epoch):
    counts = np.bincount(labels)
    available = counts.min() // per_class
    if available < groups:
        argument = "labels" if not available else "groups"
        with pytest.raises(ValueError, match=f"`{argument}`"):
            balanced_batches(labels, per_class, groups, seed, epoch)
        return
    batches = balanced_batches(labels, per_class, groups, seed, epoch)
    assert batches.shape == (available // groups, groups * len(counts) * per_class)
    assert len(np.unique(batches)) == batches.size
    for group in labels[batches].reshape(-1, len(counts) * per_class):
        np.testing.assert_array_equal(group, np.repeat(np.arange(len(counts)), per_class))


@given(st.integers(2, 5), st.integers(1, 8), seeds)
def test_classes_of_one_size_are_used_up_in_every_epoch(classes, count, seed):
    labels = np.tile(np.arange(classes), count)
    for epoch in range(2):
        np.testing.assert_array_equal(
            np.sort(balanced_batches(labels, seed=seed, epoch=epoch), None), np.arange(len(labels))
        )


def test_larger_classes_leave_out_others_in_each_epoch():
    labels = np.repeat([0, 1], [4, 40])
    used = [set(balanced_batches(labels, epoch=epoch)[:, 1]) for epoch in range(60)]
    assert {len(examples) for examples in used} == {4}
    assert set().union(*used) == set(range(4, 44))


def test_batches_depend_on_seed_and_epoch_alone():
    labels = np.tile(np.arange(5), 20)
    np.testing.assert_array_equal(balanced_batches(labels, seed=3, epoch=2), balanced_batches(labels, seed=3, epoch=2))
    drawn = [balanced_batches(labels, seed=s, epoch=e).tobytes() for s, e in itertools.product(range(3), range(3))]
    assert len(set(drawn)) == 9


def test_companions_of_an_example_are_drawn_uniformly():
    labels = np.repeat([0, 1], 4)
    pairs = np.concatenate([balanced_batches(labels, epoch=epoch) for epoch in range(4000)])
    met = np.bincount(pairs[pairs[:, 0] == 0][:, 1] - 4, minlength=4)
    np.testing.assert_allclose(met, 1000, atol=5 * np.sqrt(1000))


def test_a_class_that_should_be_there_and_is_not():
    with pytest.raises(ValueError, match=r"`labels`.*0 of class 1"):
        balanced_batches([0, 2, 0, 2])
    with pytest.raises(ValueError, match=r"`labels`.*0 of class 2"):
        balanced_batches([0, 1], classes=3)


@pytest.mark.parametrize("labels", [[], [[0, 1]], [0.0, 1.0], ["a", "b"], [-1, 0], [0, 3]])
def test_labels_that_are_no_classes(labels):
    with pytest.raises(ValueError, match="`labels`"):
        balanced_batches(np.array(labels), classes=3)
    with pytest.raises(ValueError, match="`predicted`"):
        semi_balanced_batches(np.array(labels), 3)


@pytest.mark.parametrize("argument", ["per_class", "groups"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, None])
def test_counts_that_are_no_positive_integers(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*Received: {argument}={value!r}"):
        balanced_batches([0, 1, 0, 1], **{argument: value})


def test_more_groups_than_examples():
    with pytest.raises(ValueError, match=r"`groups` must be at most 2.*Received: groups=3"):
        balanced_batches([0, 0, 1, 1, 1], groups=3)


@given(st.integers(1, 6), st.integers(1, 8), seeds, st.data())
def test_semi_balanced_batches_hold_all_examples_and_each_class_as_often_as_can_be(classes, count, seed, data):
    predicted = data.draw(st.lists(st.integers(0, classes - 1), min_size=classes * count, max_size=classes * count))
    predicted = np.array(predicted)
    batches = semi_balanced_batches(predicted, classes, seed)
    assert batches.shape == (count, classes)
    np.testing.assert_array_equal(np.sort(batches, None), np.arange(classes * count))
    sizes = np.bincount(predicted, minlength=classes)
    for label, column in enumerate(batches.T):
        # The place of a class is taken by it in as many batches as it has examples.
        assert np.sum(predicted[column] == label) >= min(sizes[label], count)


def test_semi_balanced_batches_of_right_labels_are_balanced():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), 6))
    rows = labels[semi_balanced_batches(labels, 4)]
    np.testing.assert_array_equal(rows, np.tile(np.arange(4), (6, 1)))


def test_an_empty_class_is_replaced_by_classes_that_have_too_many():
    batches = semi_balanced_batches(np.array([0, 0, 0, 2, 2, 2, 2, 0, 0]), 3)
    predicted = np.array([0, 0, 0, 2, 2, 2, 2, 0, 0])[batches]
    assert np.all(predicted[:, 0] == 0)
    assert np.all(predicted[:, 2] == 2)
    assert sorted(predicted[:, 1]) == [0, 0, 2]


def test_semi_balanced_batches_need_whole_batches():
    with pytest.raises(ValueError, match=r"`classes` must divide the 4 examples\. Received: classes=3"):
        semi_balanced_batches(np.array([0, 1, 2, 0]), 3)


@pytest.mark.parametrize("held", [1, 2, 3, 6])
def test_few_classes_hold_as_many_as_said(held):
    labels = np.tile(np.arange(6), 12)
    batches = few_classes(labels, held, seed=1)
    assert batches.shape == (12, 6)
    assert len(np.unique(batches)) == batches.size
    for row in labels[batches]:
        np.testing.assert_array_equal(np.unique(row, return_counts=True)[1], [6 // held] * held)


def test_few_classes_meet_all_others():
    labels = np.tile(np.arange(4), 40)
    met = {tuple(sorted(set(row))) for row in labels[few_classes(labels, 2)]}
    assert met == set(itertools.combinations(range(4), 2))


@pytest.mark.parametrize("held", [0, 4, 7, 2.5])
def test_few_classes_refuse_what_divides_nothing(held):
    with pytest.raises(ValueError, match="`held`"):
        few_classes(np.tile(np.arange(6), 12), held)


@given(st.integers(2, 6), st.integers(2, 9), seeds)
def test_one_missing_leaves_out_one_class_of_each_batch(classes, count, seed):
    labels = np.tile(np.arange(classes), count)
    balanced = balanced_batches(labels, seed=seed)
    batches = one_missing(balanced, seed)
    assert len(batches) == count // 2 * 2
    np.testing.assert_array_equal(np.sort(batches, None), np.sort(balanced[: len(batches)], None))
    assert {len(np.unique(row)) for row in labels[batches]} == {classes - 1}
    assert np.all(np.sum(batches != balanced[: len(batches)], axis=1) == 1)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), seeds)
def test_reshuffled_batches_keep_their_columns(classes, count, times, seed):
    batches = balanced_batches(np.tile(np.arange(classes), count))
    versions = reshuffled(batches, times, seed)
    assert versions.shape == (times, count, classes)
    np.testing.assert_array_equal(versions[0], batches)
    for version in versions:
        np.testing.assert_array_equal(np.sort(version, axis=0), np.sort(batches, axis=0))


def test_each_crop_meets_other_companions():
    batches = balanced_batches(np.tile(np.arange(10), 100))
    versions = reshuffled(batches, 4)
    companions = [{row[0]: tuple(row[1:]) for row in version} for version in versions]
    shared = [
        sum(a in first[key] for a in second[key]) for first, second in itertools.pairwise(companions) for key in first
    ]
    # Nine companions, each the same as before with a probability of 1 in 100.
    assert np.mean(shared) < 0.2


def test_travelling_by_hand():
    np.testing.assert_array_equal(travelling([5, 6, 7], 9), [[5, 6, 7], [9, 6, 7], [5, 9, 7], [5, 6, 9]])
    pairs = [[5, 6, 7], [8, 9, 7], [5, 8, 9], [9, 6, 8]]
    np.testing.assert_array_equal(travelling([5, 6, 7], [8, 9]), pairs)


def test_dataset_gives_balanced_batches_and_others_in_each_epoch():
    y = np.repeat(np.arange(3), [4, 6, 9])
    data = BalancedDataset({"a": np.arange(19), "b": np.arange(19) * 2}, y, groups=2, seed=5)
    for epoch in range(3):
        data.on_epoch_begin()
        order = balanced_batches(y, groups=2, seed=5, epoch=epoch)
        assert len(data) == len(order) == 2
        for index, batch in enumerate(order):
            x, labels = data[index]
            np.testing.assert_array_equal(x["a"], batch)
            np.testing.assert_array_equal(x["b"], 2 * batch)
            np.testing.assert_array_equal(labels, y[batch])
        data.on_epoch_end()


def test_dataset_in_fit_trains_as_the_order_does():
    x = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
    y = np.tile(np.arange(3), 8)

    def model():
        dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(0))
        model = keras.Sequential([keras.Input((4,)), dense])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        return model

    plain, ours = model(), model()
    plain.fit(BalancedDataset(x, y, seed=2), epochs=3, shuffle=False, verbose=0)
    training.fit(ours, x, y, epochs=3, order=lambda epoch: balanced_batches(y, seed=2, epoch=epoch))
    for one, other in zip(plain.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_dataset_of_arrays_that_differ_in_length():
    with pytest.raises(ValueError, match="`x` and `y` must be of one length"):
        BalancedDataset(np.zeros((3, 2)), np.array([0, 1]))


@settings(max_examples=5)
@given(st.integers(100_000, 200_000), seeds)
def test_many_labels(count, seed):
    labels = np.random.default_rng(seed).integers(0, 1000, count)
    batches = balanced_batches(labels, seed=seed)
    assert len(batches) == np.bincount(labels).min()
    assert np.all(labels[batches] == np.arange(1000))

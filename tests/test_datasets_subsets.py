"""Subsets of a set of images: which classes, how many images of each, and their labels."""

import numpy as np
import pytest

from bnkeras import datasets
from bnkeras.datasets import DataError


def labelled(data):
    """The arrays and class names, with each image told by its bytes."""
    return {(image.tobytes(), data.class_names[label]) for image, label in zip(data.x_train, data.y_train, strict=True)}


def test_images_keep_their_classes():
    whole = datasets.load("tiny_imagenet_drawn")
    part = datasets.subset("tiny_imagenet_drawn", classes=6)
    assert len(part.class_names) == 6
    assert set(part.class_names) < set(whole.class_names)
    assert labelled(part) < labelled(whole)
    np.testing.assert_array_equal(np.bincount(part.y_train), [50] * 6)
    np.testing.assert_array_equal(np.bincount(part.y_test), [25] * 6)
    assert "6 of 20 classes by seed 0" in part.source
    assert part.sha256 == whole.sha256


def test_fewer_classes_are_a_part_of_more_and_the_seed_chooses():
    chosen = [set(datasets.subset("tiny_imagenet_drawn", classes=count).class_names) for count in (4, 10, 20)]
    assert chosen[0] < chosen[1] < chosen[2]
    others = {datasets.subset("tiny_imagenet_drawn", classes=4, seed=seed).class_names for seed in range(5)}
    assert len(others) > 1


def test_the_first_images_of_each_class():
    whole = datasets.load("cifar10_drawn")
    part = datasets.subset("cifar10_drawn", per_class=3, test_per_class=2)
    for label in range(10):
        np.testing.assert_array_equal(part.x_train[part.y_train == label], whole.x_train[whole.y_train == label][:3])
        np.testing.assert_array_equal(part.x_test[part.y_test == label], whole.x_test[whole.y_test == label][:2])
    assert "3 + 2 images of each class" in part.source
    assert datasets.subset("cifar10_drawn", per_class=3, test_per_class=2) is part


def test_the_whole_set_is_itself():
    whole, part = datasets.load("cifar10_drawn"), datasets.subset("cifar10_drawn", classes=10)
    for one, other in zip(whole.arrays, part.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert part.source == whole.source


@pytest.mark.parametrize(
    "options", [{"classes": 0}, {"classes": 11}, {"per_class": 51}, {"test_per_class": 26}, {"per_class": 0}]
)
def test_more_than_there_is(options):
    ((name, value),) = options.items()
    with pytest.raises(DataError, match=f"`{name}`.*Received: {name}={value}"):
        datasets.subset("cifar10_drawn", **options)


def test_a_table_is_no_set_of_images():
    with pytest.raises(DataError, match="`data` must be a set of images"):
        datasets.subset("bng_glass_sample", classes=3)

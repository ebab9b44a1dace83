"""Images standardized by one mean and one deviation, with some kept for validation."""

import numpy as np
import pytest

from bnkeras import datasets
from bnkeras.datasets import DataError, standardized


def test_standardized_by_the_images_that_are_trained_on():
    data, (x, y) = standardized("mnist_sample", 1000, padded_to=32)
    whole = datasets.load("mnist_sample")
    assert (data.x_train.shape, x.shape, data.x_test.shape) == ((900, 32, 32, 1), (100, 32, 32, 1), (1000, 32, 32, 1))
    padded = np.pad(whole.x_train[:900] / 255, [(0, 0), (2, 2), (2, 2)])
    mean, deviation = padded.mean(), padded.std()
    np.testing.assert_allclose(data.x_train[..., 0], (padded - mean) / deviation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x[:, 2:-2, 2:-2, 0], (whole.x_train[900:1000] / 255 - mean) / deviation, atol=1e-4)
    np.testing.assert_allclose(data.x_test[:, 2:-2, 2:-2, 0], (whole.x_test / 255 - mean) / deviation, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([data.y_train, y]), whole.y_train[:1000])
    assert data.source.startswith(whole.source)
    assert "1,000" in data.source
    assert data.sha256 == whole.sha256


def test_colour_images_keep_their_channels_and_share_one_mean():
    data, _ = standardized("cifar10_drawn", padded_to=32)
    assert data.x_train.shape == (450, 32, 32, 3)
    assert data.x_train.mean(dtype="float64") == pytest.approx(0, abs=1e-5)
    assert data.x_train.std(dtype="float64") == pytest.approx(1, abs=1e-5)
    assert np.ptp(data.x_train.mean((0, 1, 2))) > 1e-3


def test_as_they_are():
    data, (x, _) = standardized("mnist_sample", 500, scaled=False)
    np.testing.assert_array_equal(data.x_train[..., 0] * 255, datasets.load("mnist_sample").x_train[:450])
    assert x.shape == (50, 28, 28, 1)


def test_all_there_are_where_more_are_asked_for():
    assert standardized("cifar10_drawn", 10_000)[0].x_train.shape == (450, 32, 32, 3)


@pytest.mark.parametrize(("name", "examples"), [("bng_glass_sample", None), ("mnist_sample", 9), ("mnist_sample", 0)])
def test_what_cannot_be_split(name, examples):
    with pytest.raises(DataError, match=f"Received: name='{name}', examples={examples}"):
        standardized(name, examples)

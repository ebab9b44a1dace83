"""Random rotations, shifts and mirrorings against NumPy, SciPy and their own limits, and in `training.fit`."""

import math

import keras
import numpy as np
import pytest
from helpers import Traced, noise, traces
from keras import ops
from scipy import ndimage

from bnkeras import training
from bnkeras.training.augmentation import _resampled

to_numpy = ops.convert_to_numpy
IMAGES = noise(3, 8, 8, 2)


def resampled(images, angle=0.0, down=0.0, right=0.0, sign=1.0):
    """`_resampled` with a number for all images or one for each."""
    arguments = [np.broadcast_to(np.float32(value), len(images)) for value in (angle, down, right, sign)]
    return to_numpy(_resampled(ops.convert_to_tensor(images), *map(ops.convert_to_tensor, arguments)))


def draw(images, seed=0, **kwargs):
    return to_numpy(training.random_affine(**kwargs)(ops.convert_to_tensor(images), keras.random.SeedGenerator(seed)))


def mirrored(results, images):
    """Which results are mirrored images; the others must be the images themselves."""
    flipped = np.array([np.array_equal(*pair) for pair in zip(results, images[:, :, ::-1], strict=True)])
    np.testing.assert_array_equal(results[~flipped], images[~flipped])
    return flipped


def points(height, width, n):
    """`n` images of zeros with a single bright pixel in the middle."""
    images = np.zeros((n, height, width, 1), "float32")
    images[:, height // 2, width // 2] = 1
    return images


def centroids(images):
    """Where the brightness of each image lies, from the middle: down and to the right."""
    brightness = images[..., 0] / images.sum((1, 2, 3))[:, None, None]
    down, right = (np.arange(size) - size // 2 for size in images.shape[1:3])
    return np.einsum("nij,i->n", brightness, down), np.einsum("nij,j->n", brightness, right)


@pytest.mark.parametrize("shape", [(5, 8, 8, 3), (2, 7, 10, 1), (1, 1, 4, 2)])
def test_nothing_to_do_is_the_identity(shape):
    images = noise(*shape)
    np.testing.assert_array_equal(draw(images, rotation=0, shift=0, flip=False), images)


def test_shift_by_whole_pixels_repeats_the_border():
    image = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    down, right = [[0, 1, 2], [0, 1, 2], [3, 4, 5]], [[0, 0, 1], [3, 3, 4], [6, 6, 7]]
    np.testing.assert_allclose(resampled(image, down=1)[0, ..., 0], down, atol=1e-6)
    np.testing.assert_allclose(resampled(image, right=1)[0, ..., 0], right, atol=1e-6)


@pytest.mark.parametrize("turns", [1, 2, -1])
def test_quarter_turns_and_mirroring(turns):
    angle = turns * math.pi / 2
    np.testing.assert_allclose(resampled(IMAGES, angle), np.rot90(IMAGES, turns, (1, 2)), atol=1e-5)
    expected = np.rot90(IMAGES[:, :, ::-1], turns, (1, 2))
    np.testing.assert_allclose(resampled(IMAGES, angle, sign=-1), expected, atol=1e-5)


def by_scipy(image, angle, down, right, sign):
    """Mirror, turn counterclockwise about the middle, shift: composed forwards and inverted in float64."""
    middle = (np.array(image.shape[:2]) - 1) / 2
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.linalg.inv(turn @ np.diag([1, sign]))
    offset = middle - matrix @ (middle + np.array([down, right]))
    channels = [ndimage.affine_transform(c, matrix, offset, order=1, mode="nearest") for c in np.moveaxis(image, -1, 0)]
    return np.stack(channels, -1)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 20)])
def test_equals_scipy(height, width):
    rng = np.random.default_rng(2)
    images = rng.normal(size=(12, height, width, 2)).astype("float32")
    angle, sign = rng.uniform(-math.pi, math.pi, 12), rng.choice([-1, 1], 12)
    down, right = rng.uniform(-3, 3, (2, 12))
    expected = [by_scipy(*arguments) for arguments in zip(images.astype(float), angle, down, right, sign, strict=True)]
    np.testing.assert_allclose(resampled(images, angle, down, right, sign), expected, atol=1e-4)


def test_half_of_the_images_are_mirrored():
    images = noise(400, 4, 5, 1)
    flipped = mirrored(draw(images, rotation=0, shift=0), images)
    assert 160 <= flipped.sum() <= 240  # four standard deviations
    assert not mirrored(draw(images, rotation=0, shift=0, flip=False), images).any()


def test_shifts_keep_to_their_limits():
    down, right = centroids(draw(points(41, 21, 300), rotation=0, shift=0.2, flip=False))
    for moved, size in ((down, 41), (right, 21)):
        assert 0.19 * size < -moved.min() < 0.2 * size + 1e-4
        assert 0.19 * size < moved.max() < 0.2 * size + 1e-4
        assert abs(moved.mean()) < 4 * 0.2 * size / math.sqrt(3 * 300)
    assert abs(np.corrcoef(down, right)[0, 1]) < 4 / math.sqrt(300)


def test_angles_keep_to_their_limits():
    images = np.zeros((300, 33, 33, 1), "float32")
    images[:, 15:18, 27:30] = 1  # 12 pixels to the right of the middle
    down, right = centroids(draw(images, rotation=20, shift=0, flip=False))
    np.testing.assert_allclose(np.hypot(down, right), 12, atol=0.1)
    angles = np.degrees(np.arctan2(-down, right))
    assert 19 < -angles.min() < 20.2
    assert 19 < angles.max() < 20.2
    assert abs(angles.mean()) < 4 * 20 / math.sqrt(3 * 300)


def test_turns_shifts_and_mirrorings_are_independent():
    images = points(41, 41, 400)
    images[:, 10, 35] = 2  # off the middle, which tells the mirrorings
    plain = draw(images, seed=3, rotation=0, shift=0)
    flipped = mirrored(plain, images)
    down, right = centroids(draw(points(41, 41, 400), seed=3, rotation=0, shift=0.2))
    for moved in (down, right):
        assert abs(np.corrcoef(moved, flipped)[0, 1]) < 4 / math.sqrt(400)


def test_draws_by_the_state_of_the_generator():
    augment = training.random_affine(30, 0.1)
    images = ops.convert_to_tensor(IMAGES)
    generator = keras.random.SeedGenerator(7)
    first, second = (to_numpy(augment(images, generator)) for _ in range(2))
    again = to_numpy(augment(images, keras.random.SeedGenerator(7)))
    other = to_numpy(augment(images, keras.random.SeedGenerator(8)))
    np.testing.assert_array_equal(again, first)
    assert not np.allclose(second, first)
    assert not np.allclose(other, first)


@pytest.mark.parametrize("kwargs", [{"rotation": -1}, {"shift": -0.1}, {"rotation": math.nan}, {"shift": math.nan}])
def test_negative_arguments(kwargs):
    ((name, value),) = kwargs.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        training.random_affine(**kwargs)


@pytest.mark.parametrize("convolutions", [0, 1])
def test_training_repeats_by_seed(convolutions):
    layers = [keras.layers.Conv2D(2, 3) for _ in range(convolutions)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers, keras.layers.Flatten(), Traced(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start = model.get_weights()
    images, labels = noise(10, 8, 8, 2), np.arange(10) % 3
    given = images.copy()

    def run(augment=None, seed=1):
        model.set_weights(start)
        logs = training.fit(model, images, labels, batch_size=4, epochs=2, seed=seed, augment=augment).history
        np.testing.assert_array_equal(images, given)
        return np.concatenate([np.ravel(values) for values in (logs["loss"], *model.get_weights())])

    first = run(training.random_affine(20, 0.2))
    np.testing.assert_array_equal(run(training.random_affine(20, 0.2)), first)
    assert not traces(run, training.random_affine(20, 0.2))  # the same arguments give the same function
    assert np.isfinite(first).all()
    assert not np.allclose(run(training.random_affine(20, 0.2), seed=2), first)
    assert not np.allclose(run(), first)
    np.testing.assert_allclose(run(training.random_affine(0, 0, flip=False)), run(), rtol=1e-5, atol=1e-6)

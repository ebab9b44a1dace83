"""Random rotations, shifts and mirrorings against NumPy, SciPy and their own limits, and in `training.fit`."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from bnkeras import training
from bnkeras.training.augmentation import _resampled

to_numpy = ops.convert_to_numpy
IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype("float32")


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
    images = np.random.default_rng(1).normal(size=shape).astype("float32")
    np.testing.assert_array_equal(draw(images, rotation=0, shift=0, flip=False), images)


@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, 3), (-1, 2), (-7, -7)])
def test_shift_by_whole_pixels_repeats_the_border(down, right):
    rows = np.clip(np.arange(8) - down, 0, 7)
    columns = np.clip(np.arange(8) - right, 0, 7)
    expected = IMAGES[:, rows][:, :, columns]
    np.testing.assert_allclose(resampled(IMAGES, down=down, right=right), expected, atol=1e-6)
    rolled = np.roll(IMAGES, (down, right), (1, 2))
    kept = slice(max(down, 0), 8 + min(down, 0)), slice(max(right, 0), 8 + min(right, 0))
    np.testing.assert_array_equal(expected[:, *kept], rolled[:, *kept])


@pytest.mark.parametrize("turns", [0, 1, 2, 3, -1])
def test_quarter_turns_and_mirroring(turns):
    angle = turns * math.pi / 2
    np.testing.assert_allclose(resampled(IMAGES, angle), np.rot90(IMAGES, turns, (1, 2)), atol=1e-5)
    expected = np.rot90(IMAGES[:, :, ::-1], turns, (1, 2))
    np.testing.assert_allclose(resampled(IMAGES, angle, sign=-1), expected, atol=1e-5)


def test_every_image_has_a_transform_of_its_own():
    result = resampled(IMAGES, down=[0, 2, 0], sign=[1, 1, -1])
    np.testing.assert_allclose(result[0], IMAGES[0], atol=1e-6)
    np.testing.assert_allclose(result[1, 2:], IMAGES[1, :-2], atol=1e-6)
    np.testing.assert_allclose(result[2], IMAGES[2, :, ::-1], atol=1e-6)


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


def test_constant_images_stay_constant():
    images = np.broadcast_to(np.float32([0.25, -3, 7]), (40, 9, 6, 3))
    np.testing.assert_allclose(draw(images, rotation=180, shift=2.0), images, rtol=1e-6)


def test_values_stay_within_those_of_the_image():
    images = np.random.default_rng(3).uniform(size=(40, 9, 9, 1)).astype("float32")
    result = draw(images, rotation=90, shift=0.5)
    assert np.all(result.min((1, 2)) >= images.min((1, 2)) - 1e-6)
    assert np.all(result.max((1, 2)) <= images.max((1, 2)) + 1e-6)


def test_half_of_the_images_are_mirrored():
    images = np.random.default_rng(4).normal(size=(400, 4, 5, 1)).astype("float32")
    flipped = mirrored(draw(images, rotation=0, shift=0), images)
    assert 160 <= flipped.sum() <= 240  # four standard deviations
    assert not mirrored(draw(images, rotation=0, shift=0, flip=False), images).any()


def test_shifts_keep_to_their_limits():
    down, right = centroids(draw(points(41, 21, 300), rotation=0, shift=0.2, flip=False))
    for moved, size in ((down, 41), (right, 21)):
        assert np.abs(moved).max() <= 0.2 * size + 1e-4
        assert moved.min() < -0.19 * size
        assert moved.max() > 0.19 * size
        assert abs(moved.mean()) < 4 * 0.2 * size / math.sqrt(3 * 300)
    assert abs(np.corrcoef(down, right)[0, 1]) < 4 / math.sqrt(300)


def test_angles_keep_to_their_limits():
    images = np.zeros((300, 33, 33, 1), "float32")
    images[:, 15:18, 27:30] = 1  # 12 pixels to the right of the middle
    down, right = centroids(draw(images, rotation=20, shift=0, flip=False))
    np.testing.assert_allclose(np.hypot(down, right), 12, atol=0.1)
    angles = np.degrees(np.arctan2(-down, right))
    assert np.abs(angles).max() <= 20.2
    assert angles.min() < -19
    assert angles.max() > 19
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


def test_same_arguments_return_the_same_function():
    assert training.random_affine() is training.random_affine()
    assert training.random_affine(rotation=10, shift=0) is training.random_affine(rotation=10, shift=0)
    assert training.random_affine(rotation=10, shift=0) is not training.random_affine(rotation=11, shift=0)


@pytest.mark.parametrize("shape", [(4, 6, 9, 3), (1, 5, 5, 1)])
def test_shape_and_dtype_are_kept(shape):
    result = draw(np.ones(shape, "float32"))
    assert result.shape == shape
    assert result.dtype == np.float32


@pytest.mark.parametrize("kwargs", [{"rotation": -1}, {"shift": -0.1}, {"rotation": math.nan}, {"shift": math.nan}])
def test_negative_arguments(kwargs):
    (value,) = kwargs.values()
    with pytest.raises(ValueError, match=f"`rotation` and `shift` must not be negative. Received: .*{value}"):
        training.random_affine(**kwargs)


@pytest.mark.parametrize("convolutions", [0, 1])
def test_training_repeats_by_seed(convolutions):
    layers = [keras.layers.Conv2D(2, 3) for _ in range(convolutions)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start = model.get_weights()
    images, labels = np.random.default_rng(5).normal(size=(8, 8, 8, 2)).astype("float32"), np.arange(8) % 3
    given = images.copy()

    def run(augment=None, seed=1):
        model.set_weights(start)
        logs = training.fit(model, images, labels, batch_size=4, epochs=2, seed=seed, augment=augment).history
        np.testing.assert_array_equal(images, given)
        return [np.array(logs["loss"]), *model.get_weights()]

    first, again = (run(training.random_affine(20, 0.2)) for _ in range(2))
    for value, same in zip(again, first, strict=True):
        np.testing.assert_array_equal(value, same)
    assert len(model._bnkeras_programs) == 1
    assert np.isfinite(first[0]).all()
    assert not np.allclose(run(training.random_affine(20, 0.2), seed=2)[0], first[0])
    plain = run()
    assert not np.allclose(plain[0], first[0])
    for value, same in zip(run(training.random_affine(0, 0, flip=False)), plain, strict=True):
        np.testing.assert_allclose(value, same, rtol=1e-5, atol=1e-6)


def test_training_with_an_incomplete_last_batch():
    model = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    logs = training.fit(model, IMAGES, np.zeros((3, 1)), batch_size=2, augment=training.random_affine()).history
    assert np.isfinite(logs["loss"]).all()

"""Crops for training and for tests: by hand, within their limits, and in `training.fit`."""

import keras
import numpy as np
import pytest
from helpers import noise
from keras import ops

from bnkeras import training
from bnkeras.training.crops import centre_crop, colour_components, random_crops, ten_crops

IMAGES = noise(4, 8, 8, 3)


def draw(images, size, seed=0, **options):
    generator = keras.random.SeedGenerator(seed)
    return ops.convert_to_numpy(random_crops(size, **options)(ops.convert_to_tensor(images), generator))


def test_the_whole_image_unchanged():
    np.testing.assert_allclose(draw(IMAGES, 8, area=(1, 1), flip=False), IMAGES, atol=1e-5)


def test_the_whole_padded_image_reduced_by_bilinear_interpolation():
    image = np.zeros((1, 2, 2, 1), "float32")
    image[0, 0, 0] = 4
    found = draw(image, 2, padding=1, area=(1, 1), flip=False)
    # Of 4x4 pixels, each of the result lies in the middle of four, one of which is the image's.
    np.testing.assert_allclose(found[0, :, :, 0], [[1, 0], [0, 0]], atol=1e-6)


def test_half_of_the_images_are_mirrored():
    images = np.tile(IMAGES[:1], (200, 1, 1, 1))
    found = draw(images, 8, area=(1, 1))
    mirrored = np.abs(found - images[:, :, ::-1]).max((1, 2, 3)) < 1e-4
    straight = np.abs(found - images).max((1, 2, 3)) < 1e-4
    assert np.all(mirrored ^ straight)
    assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize(("area", "aspect"), [((0.25, 0.25), 1.0), ((0.25, 0.64), 1.0), ((0.3, 0.5), 1.5)])
def test_parts_have_the_area_and_ratio_asked_for(area, aspect):
    # Pictures that hold their own coordinates show where a crop is from.
    pixels, n = 64, 300
    rows, columns = np.meshgrid(np.arange(pixels), np.arange(pixels), indexing="ij")
    images = np.broadcast_to(np.stack([rows, columns], -1).astype("float32"), (n, pixels, pixels, 2))
    found = draw(images, 17, area=area, aspect=aspect, flip=False)
    # Between the middles of the first and the last pixel of the result lie 16 of its 17 pixels.
    height, width = ((found[:, -1, -1, i] - found[:, 0, 0, i]) * 17 / 16 for i in (0, 1))
    shares = height * width / pixels**2
    assert area[0] - 1e-3 <= shares.min() <= shares.max() <= area[1] + 1e-3
    ratios = width / height
    assert 1 / aspect - 1e-3 <= ratios.min() <= ratios.max() <= aspect + 1e-3
    assert np.ptp(shares) >= 0.9 * (area[1] - area[0])
    if aspect > 1:
        assert ratios.min() < 0.9 < 1.1 < ratios.max()
    assert found.min() > -0.5
    assert found.max() < pixels - 0.5
    assert np.ptp(found[:, 0, 0, 0]) > 0.8 * (1 - area[1] ** 0.5) * pixels


def test_colour_is_the_same_at_all_pixels_of_an_image_and_along_the_components():
    found = draw(
        np.tile(IMAGES[:1], (500, 1, 1, 1)), 8, area=(1, 1), flip=False, colour=((0.3, 0, 0), (0, 0, 2.0)), spread=0.5
    )
    shift = found - IMAGES[0]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1, :1], shift.shape), atol=1e-4)
    np.testing.assert_allclose(shift[:, 0, 0].std(0), [0.15, 0, 1.0], rtol=0.15, atol=1e-4)


def test_padding_keeps_no_colour():
    found = draw(np.zeros((3, 4, 4, 3), "float32"), 8, padding=2, area=(1, 1), colour=((1.0, 1.0, 1.0),), spread=1.0)
    np.testing.assert_allclose(found[:, 0], 0, atol=1e-6)
    assert np.abs(found[:, 4, 4]).min() > 0


def test_crops_depend_on_the_seed_alone():
    np.testing.assert_array_equal(draw(IMAGES, 6, seed=3), draw(IMAGES, 6, seed=3))
    assert np.abs(draw(IMAGES, 6, seed=3) - draw(IMAGES, 6, seed=4)).max() > 0.1
    assert random_crops(6, colour=((1.0, 0.0, 0.0),)) is random_crops(6, colour=((1.0, 0.0, 0.0),))


@pytest.mark.parametrize(
    "options", [{"area": (0, 1)}, {"area": (0.5, 0.4)}, {"area": (0.5, 2)}, {"aspect": 0.5}, {"spread": -1}]
)
def test_arguments_out_of_range(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"`{name}`") as error:
        random_crops(6, **options)
    assert f"{name}={value!r}" in str(error.value)


def test_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    images = noise(1500, 3, 3, 3) @ np.array([[2, 1, 0], [0, 1, 0.3], [0, 0, 0.5]], "float32") + 4
    pca = PCA().fit(images.reshape(-1, 3).astype("float64"))
    expected = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
    found = np.array(colour_components(images))[::-1]
    signs = np.sign((found * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(signs * found, expected, rtol=1e-3, atol=1e-3)


def test_ten_crops_by_hand():
    images = np.arange(2 * 4 * 4).reshape(2, 4, 4, 1)
    crops = list(ten_crops(images, 2))
    assert len(crops) == 10
    np.testing.assert_array_equal(crops[0], images[:, 1:3, 1:3])
    np.testing.assert_array_equal(crops[0], centre_crop(images, 2))
    corners = [images[:, i : i + 2, j : j + 2] for i in (0, 2) for j in (0, 2)]
    for found, expected in zip(crops[1:5], corners, strict=True):
        np.testing.assert_array_equal(found, expected)
    for straight, mirrored in zip(crops[:5], crops[5:], strict=True):
        np.testing.assert_array_equal(mirrored, straight[:, :, ::-1])


def test_crops_of_padded_images():
    images = np.ones((1, 2, 2, 1))
    np.testing.assert_array_equal(centre_crop(images, 4, padding=1)[0, :, :, 0], np.pad(np.ones((2, 2)), 1))
    with pytest.raises(ValueError, match=r"`size` must be at most 4\. Received: size=5"):
        centre_crop(images, 5, padding=1)


def test_crops_in_training():
    x, y = noise(20, 8, 8, 3), np.arange(20) % 2

    def trained(seed):
        layers = [keras.layers.Flatten(), keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(0))]
        model = keras.Sequential([keras.Input((6, 6, 3)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        training.fit(model, x, y, batch_size=10, epochs=2, seed=seed, augment=random_crops(6))
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert np.abs(trained(1) - trained(2)).max() > 1e-3

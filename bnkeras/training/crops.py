"""Crops of images: random ones with scaling, mirroring and colour on the device, and fixed ones for tests."""

import functools

import keras
import numpy as np
from keras import ops


@functools.cache
def random_crops(size, padding=0, area=(0.64, 1.0), aspect=1.0, flip=True, colour=None, spread=0.1):
    """Return a function that cuts a random part of each image and scales it to `size`, for `fit(augment=...)`.

    The image is padded with zeros; of it, a part is taken whose share of the area, ratio of width to height
    (logarithmic) and place are drawn uniformly, and scaled by bilinear interpolation. Half of the parts are mirrored
    left to right. Before, colour may be added: for the components `c_k` of the training pixels, an `a_k c_k` with
    `a_k` drawn from a Gaussian of deviation `spread` for each image, the same at all of its pixels. The same
    arguments return the same function, so that `fit` compiles it once.

    Args:
        size: Integer, height and width of the results.
        padding: Integer, rows and columns of zeros on every side. Defaults to `0`.
        area: Tuple of floats in (0, 1], the least and the largest share of the padded image. Defaults to
            `(0.64, 1.0)`, sides of 0.8 to 1.
        aspect: Float of at least 1, the largest ratio of width to height, and of height to width. Defaults to `1.0`,
            squares.
        flip: Boolean, whether to mirror. Defaults to `True`.
        colour: Tuple of tuples of floats, a row a component, as `colour_components` returns it. Defaults to `None`, no
            change of colour.
        spread: Float of at least 0. Defaults to `0.1`.

    Returns:
        Function `(images, generator) -> images` of square images of shape `[n, pixels, pixels, channels]`, which become
        float32, and a `keras.random.SeedGenerator`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> augment = training.random_crops(36, padding=4, colour=training.colour_components(x_train))
    >>> training.fit(model, x_train, y_train, augment=augment)

    References:
        - Hajaj & Gillies, *Batch Normalization and the impact of batch structure on the behavior of deep convolution
          networks*, section 3.1.
        - Krizhevsky et al., *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, section 4.1.
        - Szegedy et al., *Going Deeper with Convolutions*, 2015, section 6.
    """
    if not 0 < area[0] <= area[1] <= 1 or not aspect >= 1 or not spread >= 0:
        raise ValueError(
            "`area` must be shares from 0 to 1, the smaller first, `aspect` at least 1 and `spread` not negative. "
            f"Received: area={area!r}, aspect={aspect!r}, spread={spread!r}"
        )

    def augment(images, generator):
        n, pixels = images.shape[0], images.shape[1]
        images = ops.cast(images, "float32")
        draws = keras.random.uniform((5, n), seed=generator)
        if colour is not None:
            weights = keras.random.normal((n, len(colour)), stddev=spread, seed=generator)
            images = images + ops.matmul(weights, ops.convert_to_tensor(colour, "float32"))[:, None, None]
        side = ops.sqrt(area[0] + (area[1] - area[0]) * draws[0])
        stretch = aspect ** (draws[1] - 0.5)
        outer = pixels + 2 * padding
        height, width = (ops.minimum(part, 1.0) * outer for part in (side / stretch, side * stretch))
        mirrored = draws[4] < 0.5 if flip else draws[4] < 0
        rows = _sampling(draws[2] * (outer - height) - padding, height, size, pixels, False)
        columns = _sampling(draws[3] * (outer - width) - padding, width, size, pixels, mirrored)
        return ops.einsum("nip,npqc,njq->nijc", rows, images, columns)

    return augment


def _sampling(start, length, size, pixels, mirrored):
    """Weights `[n, size, pixels]` that read `size` places, evenly over `length` pixels from `start`, by interpolation.

    Products with them take the place of a gather: they run on every device and compile under XLA.
    """
    places = (ops.arange(size, dtype="float32") + 0.5) / size
    places = ops.where(ops.reshape(mirrored, (-1, 1)), 1 - places, places)
    places = start[:, None] + length[:, None] * places - 0.5
    return ops.maximum(1 - ops.abs(places[:, :, None] - ops.arange(pixels, dtype="float32")), 0)


def colour_components(images):
    """Return the principal components of the colours of training images, each as long as its standard deviation.

    Args:
        images: Array of shape `[n, height, width, channels]`.

    Returns:
        Tuple of `channels` tuples of floats, for `random_crops`.
    """
    count, sums, products = 0, 0.0, 0.0
    for start in range(0, len(images), 1000):
        pixels = np.asarray(images[start : start + 1000], "float64").reshape(-1, images.shape[-1])
        count, sums, products = count + len(pixels), sums + pixels.sum(0), products + pixels.T @ pixels
    mean = sums / count
    variances, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    components = (vectors * np.sqrt(np.maximum(variances, 0))).T
    return tuple(tuple(float(value) for value in row) for row in components)


def centre_crop(images, size, padding=0):
    """Return the middle `[n, size, size, channels]` of images padded with zeros."""
    return next(ten_crops(images, size, padding))


def ten_crops(images, size, padding=0):
    """Iterate over the ten crops that tests average over: the middle and the four corners, and these mirrored.

    Args:
        images: Array of square images `[n, pixels, pixels, channels]`.
        size: Integer, height and width of the crops, at most those of the padded images.
        padding: Integer, rows and columns of zeros on every side. Defaults to `0`.

    Yields:
        Arrays of shape `[n, size, size, channels]`.

    Raises:
        ValueError: If the padded images are smaller than `size`.

    Reference:
        Krizhevsky et al., *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, section 4.1.
    """
    last = images.shape[1] + 2 * padding - size
    if last < 0:
        raise ValueError(f"`size` must be at most {images.shape[1] + 2 * padding}. Received: size={size}")
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    for step in (1, -1):
        for row, column in ((last // 2, last // 2), (0, 0), (0, last), (last, 0), (last, last)):
            yield padded[:, row : row + size, column : column + size][:, :, ::step]

"""Augmentation of batches of images on the device."""

import functools
import math

import keras
from keras import ops


@functools.cache
def random_affine(rotation=20.0, shift=0.2, flip=True):
    """Return a function that rotates, shifts and mirrors each image of a batch at random, for `fit(augment=...)`.

    Each image is rotated by an angle from `-rotation` to `rotation`, shifted by up to `shift` of its height and width,
    and mirrored left to right with probability 1/2, all uniformly and independently. Pixels in between are interpolated
    (bilinear), pixels from outside repeat the border. The same arguments return the same function, so that `fit`
    compiles it once.

    Args:
        rotation: Float of at least 0, the largest angle in degrees. Defaults to `20.0`.
        shift: Float of at least 0, the largest shift, as a share of height and of width. Defaults to `0.2`.
        flip: Boolean, whether to mirror. Defaults to `True`.

    Returns:
        Function `(images, generator) -> images` of float images of shape `[n, height, width, channels]` and a
        `keras.random.SeedGenerator`.

    Raises:
        ValueError: If `rotation` or `shift` is negative.

    Example:

    >>> training.fit(model, x, y, augment=training.random_affine(rotation=20, shift=0.2))
    """
    if not rotation >= 0 or not shift >= 0:
        raise ValueError(
            f"`rotation` and `shift` must not be negative. Received: rotation={rotation!r}, shift={shift!r}"
        )

    def augment(images, generator):
        if len(images.shape) != 4:
            raise ValueError(f"`random_affine` is for images [n, height, width, channels]. Received: {images.shape}")
        n, height, width = images.shape[:3]
        draws = keras.random.uniform((4, n), -1.0, 1.0, seed=generator)
        angle = draws[0] * math.radians(rotation)
        sign = ops.where(draws[1] < 0, -1.0, 1.0) if flip else ops.ones(n)
        return _resampled(images, angle, draws[2] * shift * height, draws[3] * shift * width, sign)

    return augment


def _resampled(images, angle, down, right, sign):
    """Each image mirrored where `sign` is -1, rotated counterclockwise by `angle`, then shifted by pixels."""
    middle_y, middle_x = (images.shape[1] - 1) / 2, (images.shape[2] - 1) / 2
    cos, sin, zero = ops.cos(angle), ops.sin(angle), ops.zeros_like(angle)
    # The transform maps a pixel of the result to its source in the image.
    back_y, back_x = middle_y + down, middle_x + right
    rows = [
        [sign * cos, sign * -sin, middle_x - sign * (cos * back_x - sin * back_y)],
        [sin, cos, middle_y - (sin * back_x + cos * back_y)],
        [zero, zero],
    ]
    transform = ops.stack([entry for row in rows for entry in row], axis=1)
    return ops.image.affine_transform(images, transform, "bilinear", "nearest", data_format="channels_last")

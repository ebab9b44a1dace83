"""The stand-in for CIFAR-10: drawn pictures of ten shapes, in any colour, place, size and on any background."""

import numpy as np

from bnkeras.datasets import common
from bnkeras.datasets.drawing import canvas, each, finish, grid, inside, light, paint, pose

SIZE = 32
TRAIN, TEST = 500, 250


def load(folder=None):
    """Load the stand-in: 500 + 250 images of 32x32, as many of each class; embedded, `folder` is not read.

    Outline or texture decides the class: a shape may be lighter or darker than its background, which has a gradient
    and waves of its own. The generator's seed is fixed.
    """
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(len(SHAPES), dtype="uint8"), (TRAIN + TEST) // len(SHAPES))
    labels = np.concatenate([generator.permutation(part) for part in np.split(labels, [TRAIN])])
    images = draw(labels, generator)
    arrays = {"x_train": images[:TRAIN], "y_train": labels[:TRAIN], "x_test": images[TRAIN:], "y_test": labels[TRAIN:]}
    source = f"stand-in: {TRAIN} + {TEST} drawn pictures of {len(SHAPES)} shapes"
    return common.image_data("cifar10_drawn", arrays, tuple(SHAPES), source, (SIZE, SIZE, 3))


def draw(labels, generator):
    """Draw one picture a label: uint8 `[n, 32, 32, 3]`."""
    n = len(labels)
    u, v = pose(
        SIZE,
        shift_x=generator.uniform(-0.25, 0.25, n),
        shift_y=generator.uniform(-0.25, 0.25, n),
        scale=generator.uniform(0.5, 0.75, n),
        angle=generator.uniform(-0.3, 0.3, n),
    )
    background, colour = _colours(generator, n)
    pictures = canvas(background, SIZE) + _waves(generator, n)
    for label, shape in enumerate(SHAPES.values()):
        chosen = labels == label
        painted = pictures[chosen]
        paint(painted, inside(shape(u[chosen], v[chosen]), 8), colour[chosen])
        pictures[chosen] = painted
    return finish(pictures * light(SIZE, generator, n, strength=0.3), generator, noise=0.05)


def _colours(generator, n):
    """Background and shape colours `[n, 3]`, as often lighter as darker, at least 0.3 apart in brightness."""
    darker, apart = generator.uniform(0.1, 0.5, n), generator.uniform(0.3, 0.45, n)
    pair = np.stack([darker, darker + apart])[..., None] + generator.uniform(-0.15, 0.15, (2, n, 3))
    swap = generator.random((n, 1)) < 0.5
    return np.where(swap, pair[1], pair[0]), np.where(swap, pair[0], pair[1])


def _waves(generator, n):
    """A faint wave across each background, float32 `[n, 32, 32, 1]`."""
    x, y = grid(SIZE)
    frequency, phase = generator.uniform(-4, 4, (2, n)), generator.uniform(0, 2 * np.pi, n)
    return 0.06 * np.sin(each(frequency[0]) * x + each(frequency[1]) * y + each(phase))[..., None]


def _disc(u, v):
    return np.hypot(u, v) - 0.9


def _square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) - 0.8


def _star(u, v):
    return np.hypot(u, v) * (1 + 0.45 * np.cos(5 * np.arctan2(u, v))) - 0.75


def _cross(u, v):
    return np.maximum(np.minimum(np.abs(u), np.abs(v)) - 0.25, _square(u, v) - 0.1)


def _triangle(u, v):
    return np.maximum(0.7 * np.abs(u) - 0.4 * (v + 0.8), v - 0.7)


def _within_disc(texture):
    return lambda u, v: np.maximum(_disc(u, v) - 0.15, texture(u, v))


# Negative inside, in coordinates in which every shape fits into -1 to 1.
SHAPES = {
    "disc": _disc,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.75) - 0.17,
    "square": _square,
    "frame": lambda u, v: np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.7) - 0.15,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "stripes": _within_disc(lambda u, v: 0.15 * np.cos(9 * v)),
    "checks": _within_disc(lambda u, v: 0.3 * np.sin(6 * u) * np.sin(6 * v)),
    "dots": _within_disc(lambda u, v: 0.3 - 0.3 * np.cos(8 * u) * np.cos(8 * v) - 0.15),
}

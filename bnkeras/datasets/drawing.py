"""What drawn pictures are made of: a grid of pixels, shapes with soft edges, colours, light and noise (NumPy)."""

import numpy as np


def grid(size):
    """Pixel centres `(x, y)`, each float32 `[size, size]` from -1 to 1, x to the right and y down."""
    centres = (2 * np.arange(size, dtype="float32") + 1) / size - 1
    return np.meshgrid(centres, centres)


def each(values):
    """One value a picture, `[n]`, so that it broadcasts over `[n, height, width]`."""
    return np.asarray(values, "float32")[:, None, None]


def pose(size, shift_x, shift_y, scale, angle):
    """Coordinates `(u, v)` `[n, size, size]` of shapes moved, scaled and turned (radians) by one value a picture."""
    x, y = grid(size)
    x, y = (x - each(shift_x)) / each(scale), (y - each(shift_y)) / each(scale)
    cos, sin = each(np.cos(angle)), each(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def inside(distance, sharpness):
    """Coverage from 0 to 1 of the side on which `distance` is negative, with an edge `1 / sharpness` wide."""
    return np.clip(0.5 - sharpness * distance, 0, 1)


def canvas(colours, size):
    """Pictures float32 `[n, size, size, 3]`, each of one of `colours` `[n, 3]`."""
    return np.tile(colours.astype("float32")[:, None, None], (1, size, size, 1))


def paint(pictures, coverage, colours):
    """Paint `colours` `[n, 3]` over `pictures` `[n, height, width, 3]`, in place, where `coverage` `[n, ...]` says."""
    change = colours.astype("float32")[:, None, None] - pictures
    change *= coverage[..., None]
    pictures += change


def light(size, generator, n, strength):
    """Brightness `[n, size, size, 1]` around 1 that rises in a random direction, by `strength` at most."""
    x, y = grid(size)
    angle, slope = generator.uniform(0, 2 * np.pi, n), generator.uniform(0, strength, n)
    return (1 + each(slope * np.cos(angle)) * x + each(slope * np.sin(angle)) * y)[..., None]


def finish(pictures, generator, noise):
    """Add normal noise of standard deviation `noise` (of 1) and round to uint8."""
    noisy = pictures + noise * generator.standard_normal(pictures.shape, dtype="float32")
    return (255 * np.clip(noisy, 0, 1)).round().astype("uint8")

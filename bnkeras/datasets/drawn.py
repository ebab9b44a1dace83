"""Stand-ins for images that can't ship: each class is a symmetric shape of ellipses, in any pose, colour and light."""

import numpy as np

from bnkeras.datasets import common, npz

# Pixels, classes, images for training and for test, and the seed, of the shapes too.
SETS = {
    "faces_drawn": (64, 3, 240, 120, 0),
    "cifar10_drawn": (32, 10, 500, 250, 1),
    "svhn_drawn": (32, 10, 500, 250, 2),
    "cifar100_drawn": (32, 100, 2_000, 500, 3),
    "tiny_imagenet_drawn": (64, 20, 1_000, 500, 4),
}
# A row an identity, of head, hair, eyes and mouth: x, y, half width, half height and shade, in percent.
FACES = [
    [(0, 5, 55, 72, 100), (0, -62, 60, 34, -80), (22, -10, 10, 6, -100), (0, 42, 22, 6, -70)],
    [(0, 5, 46, 80, 100), (42, -20, 16, 70, -80), (17, -2, 8, 8, -100), (0, 50, 15, 9, -70)],
    [(0, 5, 62, 66, 100), (0, -56, 66, 22, -80), (27, -6, 12, 5, -100), (0, 36, 30, 5, -70)],
]


def load(name):
    """Load the stand-in `name` of `SETS`, with as many images of each class."""
    size, classes, train, test, seed = SETS[name]
    generator = np.random.default_rng(seed)
    faces = name == "faces_drawn"
    shapes = generator.uniform([0, -0.7, 0.15, 0.15, 0.6], [0.6, 0.7, 0.5, 0.5, 1], (classes, 3, 5))
    shapes[:, 1, 4] *= -1  # Light and dark in turn.
    shapes = np.array(FACES) / 100 if faces else shapes
    labels = [generator.permutation(np.arange(count) % classes).astype("uint8") for count in (train, test)]
    x_train, x_test = (draw(shapes[part], size, generator, inverted=not faces) for part in labels)
    arrays = {"x_train": x_train, "y_train": labels[0], "x_test": x_test, "y_test": labels[1]}
    kinds = f"faces of {classes} identities" if faces else f"pictures of {classes} shapes"
    source = f"stand-in: {train:,} + {test:,} drawn {kinds}"
    names = [f"class {label}" for label in range(classes)]
    return common.images(name, (size, size, 3), names, arrays, source, npz.sha256(arrays))


def draw(shapes, size, generator, inverted):
    """Pictures uint8 `[n, size, size, 3]` of `shapes` `[n, ellipses, 5]`, half of them `inverted` in brightness."""
    n = len(shapes)

    def each(low, high, channels=1):
        return generator.uniform(low, high, (n, 1, 1, channels)).astype("float32")

    x, y = np.meshgrid(*[(2 * np.arange(size, dtype="float32") + 1) / size - 1] * 2)
    x, y = x[..., None], y[..., None]
    light = each(0.3, 0.7, 3) + each(-0.2, 0.2) * x + each(-0.2, 0.2) * y
    scale, angle, right, down = each(0.8, 1.15), each(-0.3, 0.3), each(-0.2, 0.2), each(-0.2, 0.2)
    x, y = (x - right) / scale, (y - down) / scale
    x, y = np.abs(np.cos(angle) * x + np.sin(angle) * y), np.cos(angle) * y - np.sin(angle) * x
    shapes = shapes * generator.normal(1, 0.1, shapes.shape) + generator.normal(0, [0.05, 0.05, 0, 0, 0], shapes.shape)
    shade = np.zeros_like(x)
    for u, v, width, height, value in shapes.astype("float32").transpose(1, 2, 0)[..., None, None, None]:
        distance = np.minimum(width, height) * (np.hypot((x - u) / width, (y - v) / height) - 1)
        shade += np.clip(0.5 - 8 * distance, 0, 1) * (value - shade)
    contrast = each(0.15, 0.35, 3) * generator.choice([-1, 1] if inverted else [1], (n, 1, 1, 1)).astype("float32")
    pictures = light + contrast * shade + 0.05 * generator.standard_normal((n, size, size, 3), "float32")
    return (255 * np.clip(pictures, 0, 1)).round().astype("uint8")

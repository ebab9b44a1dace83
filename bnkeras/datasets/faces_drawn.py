"""The stand-in for faces: drawn faces of three identities, each in its own pose, light, colours and background."""

import numpy as np

from bnkeras.datasets import common
from bnkeras.datasets.drawing import canvas, each, finish, inside, light, paint, pose

SIZE = 64
TRAIN, TEST = 240, 120
# One value an identity, in units of half the picture; the skin's is its mean brightness, between 0 and 1.
IDENTITIES = {
    "head_width": (0.52, 0.44, 0.56),
    "head_height": (0.66, 0.74, 0.62),
    "jaw": (0.30, 0.12, 0.02),
    "eye_distance": (0.20, 0.16, 0.27),
    "eye_height": (-0.10, -0.04, -0.08),
    "brow_slope": (0.25, -0.20, 0.00),
    "nose_length": (0.20, 0.30, 0.22),
    "mouth_width": (0.17, 0.15, 0.28),
    "mouth_height": (0.34, 0.42, 0.32),
    "hairline": (-0.36, -0.50, -0.28),
    "hair_length": (0.00, 0.55, -0.20),
    "skin": (0.74, 0.68, 0.71),
}
CLASS_NAMES = ("narrow chin", "long face", "broad face")


def load(folder=None):
    """Load the stand-in: 240 + 120 images of 64x64, as many of each identity; embedded, `folder` is not read.

    Each face is moved, scaled, turned in the picture and, by moving its features on the head, to the side. Its skin,
    hair, background, light and contrast are drawn from ranges that overlap. The generator's seed is fixed.
    """
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(len(CLASS_NAMES), dtype="uint8"), (TRAIN + TEST) // len(CLASS_NAMES))
    labels = np.concatenate([generator.permutation(part) for part in np.split(labels, [TRAIN])])
    images = np.concatenate([draw(part, generator) for part in np.split(labels, 12)])  # Few enough for the cache.
    arrays = {"x_train": images[:TRAIN], "y_train": labels[:TRAIN], "x_test": images[TRAIN:], "y_test": labels[TRAIN:]}
    source = f"stand-in: {TRAIN} + {TEST} drawn faces of {len(CLASS_NAMES)} identities"
    return common.image_data("faces_drawn", arrays, CLASS_NAMES, source, (SIZE, SIZE, 3))


def draw(labels, generator):
    """Draw one face a label: uint8 `[n, 64, 64, 3]`."""
    n = len(labels)
    traits = {name: np.array(values)[labels] for name, values in IDENTITIES.items()}
    colours = _colours(traits["skin"], generator)
    u, v = pose(
        SIZE,
        shift_x=generator.uniform(-0.15, 0.15, n),
        shift_y=generator.uniform(-0.12, 0.12, n),
        scale=generator.uniform(0.85, 1.15, n),
        angle=generator.uniform(-0.25, 0.25, n),
    )
    pictures = canvas(colours["background"], SIZE)
    _paint_head(pictures, u, v, traits, colours)
    yaw = generator.uniform(-0.12, 0.12, n)
    _paint_features(pictures, u - each(yaw), v, traits, colours, generator)
    contrast, brightness = generator.uniform(0.6, 1.1, n), generator.uniform(-0.12, 0.08, n)
    pictures = (pictures - 0.5) * each(contrast)[..., None] + 0.5 + each(brightness)[..., None]
    return finish(pictures * light(SIZE, generator, n, strength=0.4), generator, noise=0.04)


def _colours(skin, generator):
    """Colours `[n, 3]`; of the identity they hold its skin's mean alone, which varies more than it differs."""
    n = len(skin)
    tone = skin + generator.normal(0, 0.08, n)
    dark = generator.uniform(0.08, 0.45, n)
    return {
        "background": generator.uniform(0.1, 0.9, (n, 3)),
        "skin": tone[:, None] * [1.1, 0.85, 0.72] + generator.normal(0, 0.03, (n, 3)),
        "hair": dark[:, None] * [1.2, 0.9, 0.7] + generator.normal(0, 0.03, (n, 3)),
        "shirt": generator.uniform(0.1, 0.9, (n, 3)),
    }


def _paint_head(pictures, u, v, traits, colours):
    width, height = each(traits["head_width"]), each(traits["head_height"])
    narrowed = u / (width * (1 - each(traits["jaw"]) * np.clip(v + 0.1, 0, 1)))
    head = np.hypot(narrowed, v / height) - 1
    hair = np.maximum(np.hypot(u / (width + 0.1), (v + 0.08) / (height + 0.04)) - 1, v - each(traits["hair_length"]))
    shoulders = np.hypot(u / 0.85, (v - 1.25) / 0.55) - 1
    neck = np.maximum(np.abs(u) - 0.5 * width, np.abs(v - 0.65) - 0.25)
    paint(pictures, inside(hair, 12), colours["hair"])
    paint(pictures, inside(neck, 16), 0.85 * colours["skin"])
    paint(pictures, inside(shoulders, 12), colours["shirt"])
    paint(pictures, inside(head, 12), colours["skin"])
    fringe = np.maximum(head - 0.1, v - each(traits["hairline"]) - 0.3 * u * u)
    paint(pictures, inside(fringe, 14), colours["hair"])


def _paint_features(pictures, u, v, traits, colours, generator):
    n = len(u)
    apart, up = each(traits["eye_distance"]), each(traits["eye_height"])
    side = np.abs(u) - apart
    gaze, opening = each(generator.uniform(-0.02, 0.02, n)), each(generator.uniform(0.7, 1.2, n))
    white, black = np.full((n, 3), 0.95), np.full((n, 3), 0.08)
    paint(pictures, inside(np.hypot(side / 0.10, (v - up) / (0.055 * opening)) - 1, 5), white)
    paint(pictures, inside(np.hypot(side - gaze * np.sign(u), v - up) - 0.042, 24), black)
    brow = np.abs(v - up + 0.13 + each(traits["brow_slope"]) * side) - 0.022
    paint(pictures, inside(np.maximum(brow, np.abs(side) - 0.12), 24), 0.8 * colours["hair"])
    length = each(traits["nose_length"])
    nose = np.maximum(
        np.abs(u) - 0.03 - 0.2 * np.clip(v - up - 0.05, 0, 0.4), np.abs(v - up - 0.05 - length / 2) - length / 2
    )
    paint(pictures, 0.6 * inside(nose, 16), 0.75 * colours["skin"])
    smile, lips = each(generator.uniform(-0.5, 1.5, n)), each(generator.uniform(0.03, 0.07, n))
    mouth = each(traits["mouth_width"])
    line = v - each(traits["mouth_height"]) + smile * (u * u - mouth * mouth / 2)
    lip_colour = colours["skin"] * [0.85, 0.5, 0.5]
    paint(pictures, inside(np.maximum(np.abs(line) - lips, np.abs(u) - mouth), 20), lip_colour)

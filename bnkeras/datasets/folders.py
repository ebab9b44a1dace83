"""Images in folders by class, as ImageNet lies on disk: `train/<class>/*` and `val/<class>/*`."""

import functools
from pathlib import Path

import numpy as np
from PIL import ImageOps

from bnkeras.datasets import common, npz, photos


def load_folder(folder, classes=None, seed=0, pixels=64):
    """Load images from folders by class, all or some of the classes, resized; the result is kept for the process.

    Of each image the largest square in its middle is scaled to `pixels`. Files that are no image are skipped, with a
    warning, and the source counts them.

    Args:
        folder: the folder that holds `train` and `val`, each with a sub-folder per class.
        classes: Integer, how many classes to take, drawn by seed; fewer are a part of more. Defaults to all.
        seed: Integer, of the choice of classes and of the images' order. Defaults to `0`.
        pixels: Integer, height and width of the images. Defaults to `64`.

    Returns:
        A `SplitData`, `val` being its test part; labels follow the names of the classes in alphabetical order.

    Raises:
        DataError: for a folder that is missing or has no images, or more classes than there are.

    Example:
        >>> data = datasets.load_folder("~/imagenet", classes=10, pixels=224)
    """
    return _load(Path(folder).expanduser().resolve(), classes, seed, pixels)


@functools.lru_cache(maxsize=1)
def _load(folder, classes, seed, pixels):
    common.check_count("pixels", pixels, 1024)
    there = [path.name for path in photos.visible(folder / "train") if path.is_dir()]
    common.check_count("classes", len(there) if classes is None else classes, len(there))
    names = sorted(np.random.default_rng(seed).permutation(there)[:classes].tolist())
    arrays, skipped = {}, []
    for split, part in (("train", "train"), ("test", "val")):
        pairs = []
        for label, name in enumerate(names):
            images = photos.read_all(folder / part / name, skipped, pixels, ImageOps.fit)
            if not images:
                raise common.DataError(f"{folder / part / name} must hold images, and has none that can be read")
            pairs += [(image, label) for image in images]
        arrays[f"x_{split}"], arrays[f"y_{split}"] = photos.shuffled(pairs, seed)
    source = f"folder {folder.name}, {len(names)} of {len(there)} classes by seed {seed}, {common.counts(arrays)} of "
    source += f"{pixels}x{pixels}" + photos.report(skipped, folder)
    return common.images(folder.name, (pixels, pixels, 3), names, arrays, source, npz.sha256(arrays))

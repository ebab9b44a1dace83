"""Photos of people as an image set: any size and mode, padded to a square, scaled to 64x64, split person by person."""

import warnings

import numpy as np

from bnkeras.datasets import common

SIZE = 64
SHAPE = (SIZE, SIZE, 3)
TRAIN_SHARE = 0.6


def load_folder(folder):
    """Load a folder that holds one sub-folder of photos per person.

    A photo is turned as its EXIF orientation says and goes through `square`. Names that begin with a dot are passed
    over. Any other file that is no whole image is skipped: one warning counts and names them, and `source` counts them.

    Args:
        folder: a `Path`.

    Returns:
        `(arrays, class_names, source)`, the classes being the names of the sub-folders in alphabetical order.

    Raises:
        DataError: for fewer than two people, or a person with fewer than two photos.
    """
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    people, skipped = [path for path in visible if path.is_dir()], [path for path in visible if not path.is_dir()]
    if len(people) < 2:
        found = ", ".join([person.name for person in people] or ["none"])
        raise common.DataError(
            f"faces: {folder} must hold a sub-folder of photos for each of at least two people, found {found} "
            f"(and {_count(skipped, 'file')} in no person's folder)"
        )
    photos = {person.name: _read_person(person, skipped) for person in people}
    if skipped:
        _warn(skipped, folder)
    arrays = split_people(photos, f"faces: {folder}")
    source = f"own photos, {len(people)} people, {len(arrays['y_train']):,} + {len(arrays['y_test']):,} images"
    if skipped:
        source += f", {_count(skipped, 'file')} skipped"
    return arrays, tuple(photos), source


def _read_person(person, skipped):
    photos = []
    for path in sorted(path for path in person.iterdir() if not path.name.startswith(".")):
        try:
            photos.append(read(path))
        except Exception:  # Pillow's readers raise whatever a broken file leads them to.
            skipped.append(path)
    return photos


def _warn(skipped, folder):
    names = ", ".join(str(path.relative_to(folder)) for path in skipped[:5])
    more = ", ..." if len(skipped) > 5 else ""
    what = f"{_count(skipped, 'file')} without a whole image, or in no person's folder"
    warnings.warn(f"faces: skipped {what}: {names}{more}", stacklevel=3)


def _count(things, name):
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def read(file, box=None):
    """Read an image file (Pillow): turned as its EXIF orientation says, cut to `box` if given, then `square`.

    Args:
        file: a path or a binary file.
        box: `(left, upper, right, lower)` in pixels.

    Returns:
        uint8 `[64, 64, 3]`.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        if box is None:
            image.draft(None, (2 * SIZE, 2 * SIZE))  # A JPEG of 12 megapixels decodes several times sooner.
        image.load()
        turned = ImageOps.exif_transpose(image)
        return square(turned if box is None else turned.crop(box))


def square(image):
    """Scale a Pillow image to 64x64 with its aspect ratio kept, centred on black, transparent parts black too.

    Grey values of more than 8 bits, which Pillow would cut off at 255, are scaled by the largest.

    Returns:
        uint8 `[64, 64, 3]`.
    """
    from PIL import Image

    if image.mode[0] in "IF":
        values = np.asarray(image, "float64")
        image = Image.fromarray((255 * np.clip(values / max(values.max(), 1e-9), 0, 1)).round().astype("uint8"))
    scale = SIZE / max(image.size)
    width, height = (max(1, round(scale * length)) for length in image.size)
    small = image.convert("RGBA").resize((width, height), Image.Resampling.BICUBIC)
    canvas = Image.new("RGBA", (SIZE, SIZE), "black")
    canvas.alpha_composite(small, ((SIZE - width) // 2, (SIZE - height) // 2))
    return np.asarray(canvas.convert("RGB"))


def split_people(photos, what, seed=0):
    """Split every person's photos 60/40 into training and test, at least one in each, and shuffle both parts.

    Args:
        photos: `{person: list of images}`; the labels follow its order.
        what: the set, for the error.
        seed: of the shuffles. Each person's depends on their number of photos alone, not on who else there is.

    Returns:
        Arrays `x_train`, `y_train`, `x_test`, `y_test`.

    Raises:
        DataError: naming a person with fewer than two photos.
    """
    parts = {"train": ([], []), "test": ([], [])}
    for label, (person, images) in enumerate(photos.items()):
        if len(images) < 2:
            raise common.DataError(f"{what}: {person!r} has {_count(images, 'usable photo')}, at least 2 are needed")
        order = np.random.default_rng(seed).permutation(len(images))
        train = round(TRAIN_SHARE * len(images))
        for part, chosen in (("train", order[:train]), ("test", order[train:])):
            parts[part][0].extend(images[index] for index in chosen)
            parts[part][1].extend([label] * len(chosen))
    arrays = {}
    for part, (images, labels) in parts.items():
        order = np.random.default_rng(seed).permutation(len(labels))
        arrays[f"x_{part}"] = np.stack(images)[order]
        arrays[f"y_{part}"] = np.array(labels, "uint8" if len(photos) <= 256 else "int64")[order]
    return arrays

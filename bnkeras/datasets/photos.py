"""Photos of any size and mode as squares of uint8, one by one and by the folder (Pillow)."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps

from bnkeras.datasets.common import DataError

# Pillow opens many more, some by starting other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
# To be decoded, which takes 12 bytes a pixel; so many threads do it at once.
MAX_PIXELS = 2**25
_THREADS = 8


def read(file, size=64, fit=ImageOps.pad, box=None):
    """Read a photo as a square, uint8 `[size, size, 3]`: turned as its EXIF orientation says, transparent parts black.

    Grey values of more than 8 bits, which Pillow would cut off at 255, are scaled by the largest. Broken files, and
    those of other formats than `FORMATS`, raise whatever they lead Pillow into.

    Args:
        file: a path or a binary file.
        size: pixels of the square's side.
        fit: `ImageOps.pad`, all of the photo, centred on black, or `ImageOps.fit`, the largest square in its middle.
        box: `(left, upper, right, lower)` in pixels, to cut the photo to first.
    """
    with Image.open(file, formats=FORMATS) as image:
        if size * min(image.size) < max(image.size):
            raise ValueError(f"it is too narrow, {image.width}x{image.height} pixels")
        if box is None:
            image.draft(None, (2 * size, 2 * size))  # A large JPEG decodes faster, to fewer pixels.
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}")
        ImageOps.exif_transpose(image, in_place=True)
        chosen = image.crop(box) if box else image
        if chosen.mode[0] in "IF":
            values = np.nan_to_num(np.asarray(chosen, "float32"))
            chosen = Image.fromarray((255 * np.clip(values / max(values.max(), 1e-9), 0, 1)).round().astype("uint8"))
        square = fit(chosen.convert("RGBA"), (size, size))
    return np.asarray(Image.alpha_composite(Image.new("RGBA", square.size, "black"), square).convert("RGB"))


def read_all(folder, skipped, size=64, fit=ImageOps.pad):
    """Read the photos of a folder, see `read`; the paths of files that are no whole photo are added to `skipped`."""

    def usable(path):
        try:
            return read(path, size, fit) if path.is_file() else None
        except Exception:  # Pillow's readers raise whatever a broken file leads them to.
            return None

    paths = visible(folder)
    with ThreadPoolExecutor(_THREADS) as pool:
        images = list(pool.map(usable, paths))
    skipped += [path for path, image in zip(paths, images, strict=True) if image is None]
    return [image for image in images if image is not None]


def visible(folder):
    """What lies in a folder, by name, but for names that begin with a dot."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} must be a folder of images ({error})") from error


def report(skipped, folder):
    """Warn of skipped files, counted and the first five named, and return what to say of them in a source."""
    if not skipped:
        return ""
    names = ", ".join([*(str(path.relative_to(folder)) for path in skipped[:5]), "..."][: len(skipped)])
    count = f"{len(skipped)} file{'s' if len(skipped) > 1 else ''} skipped"
    warnings.warn(f"{folder}: {count} without a whole photo, or in no class's folder: {names}", stacklevel=4)
    return f", {count}"


def shuffled(pairs, seed=0):
    """Pairs of image and label as two arrays, shuffled by seed."""
    pairs = [pairs[index] for index in np.random.default_rng(seed).permutation(len(pairs))]
    labels = np.array([label for _, label in pairs])
    return np.stack([image for image, _ in pairs]), labels.astype("uint8" if labels.max() < 256 else "int64")

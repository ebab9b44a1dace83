"""The data sets by name."""

import functools

from bnkeras.datasets import bng_glass, cache, cifar, common, drawn, faces, mnist, sampled

# Title, shape of an image, class names, download.
_IMAGES = {
    "mnist": ("MNIST", mnist.SHAPE, mnist.CLASS_NAMES, mnist.download),
    "cifar10": ("CIFAR-10", cifar.SHAPE, cifar.CLASS_NAMES_10, functools.partial(cifar.download, 10)),
}
# Copies that did not come by a download, by checksum.
_KNOWN = {
    mnist.SHA256: "MNIST, 60,000 + 10,000 images",
    "c4227696fcfe3522645a07a7e7648580e52fd79be6c0ea15f0c8d9c784eea511": (
        "CIFAR-10, 50,000 + 10,000 images, 104 of them from a JPEG copy"
    ),
}
_SHIPPED = {
    "mnist_sample": sampled.load_mnist,
    "bng_glass_sample": sampled.load_glass,
    **{name: functools.partial(drawn.load, name) for name in drawn.SETS},
}
_OTHERS = {"bng_glass": bng_glass.load, "faces": faces.load}


def names():
    """Names that `load` knows, in alphabetical order."""
    return sorted([*_IMAGES, *_OTHERS, *_SHIPPED])


def load(name):
    """Load a data set, once per process and folder; its arrays are read-only.

    A set is looked for as `<name>.npz` in `data_folder()`, else downloaded from its public source and cached there.

    Args:
        name: one of `names()`; `data/README.md` says what each is. `"mnist"`, `"cifar10"`, `"faces"`
            and `"bng_glass"` are real; so are `"mnist_sample"` and `"bng_glass_sample"`, which ship; stand-ins, such as
            `"cifar10_drawn"`, are drawn.

    Returns:
        A `SplitData` of images, uint8, or a `TableData` for glass.

    Raises:
        DataError: for an unknown name, a file that fails its checksum, or a set that is neither there nor to be had.
    """
    if name in _SHIPPED:
        return _load(name, None)
    if name not in _IMAGES | _OTHERS:
        raise common.DataError(f"`name` must be one of {', '.join(names())}. Received: name={name!r}")
    return _load(name, common.data_folder())


@functools.lru_cache(maxsize=4)
def _load(name, folder):
    if folder is None:
        return _SHIPPED[name]()
    return _OTHERS[name](folder) if name in _OTHERS else _images(name, folder)


def _images(name, folder):
    title, shape, class_names, download = _IMAGES[name]
    build = functools.partial(common.images, name, shape, class_names)
    only = mnist.SHA256 if name == "mnist" else None
    return cache.load(folder / f"{name}.npz", common.IMAGE_KEYS, build, _KNOWN, title, download, only=only)

"""The data sets by name."""

import functools
import os

from bnkeras.datasets import bng_glass, cache, cifar, common, drawn, faces, mnist, sampled, svhn, tiny_imagenet

# Title, shape of an image, class names or their number, download: `None` where there is no public source.
_IMAGES = {
    "mnist": ("MNIST", mnist.SHAPE, mnist.CLASS_NAMES, mnist.download),
    "cifar10": ("CIFAR-10", cifar.SHAPE, cifar.CLASS_NAMES_10, functools.partial(cifar.download, 10)),
    "cifar100": ("CIFAR-100", cifar.SHAPE, cifar.CLASS_NAMES_100, functools.partial(cifar.download, 100)),
    "cifar100_20k": ("CIFAR-100, a subset", cifar.SHAPE, cifar.CLASS_NAMES_100, None),
    "svhn": ("SVHN", svhn.SHAPE, mnist.CLASS_NAMES, svhn.download),
    "svhn_crops": ("SVHN, own crops", svhn.SHAPE, mnist.CLASS_NAMES, None),
    "tiny_imagenet": ("Tiny ImageNet", tiny_imagenet.SHAPE, 200, tiny_imagenet.download),
    "tiny_imagenet_100": ("Tiny ImageNet, a subset", tiny_imagenet.SHAPE, 100, None),
}
# Copies that did not come by a download, by checksum.
_KNOWN = {
    mnist.SHA256: "MNIST, 60,000 + 10,000 images",
    "c4227696fcfe3522645a07a7e7648580e52fd79be6c0ea15f0c8d9c784eea511": (
        "CIFAR-10, 50,000 + 10,000 images, 104 of them from a JPEG copy"
    ),
    "b049dd03d1e5931d6420880c69d9814a6049490ce289e8f426105d180c002fde": "CIFAR-100, 20k subset, own split",
    "1c492263e1e7a22911250db9ec1c52d63b9f20f1d7118db0c6a8ae07adc909cf": "SVHN, 6k own crops",
    "53c149a9a1946f9ab45505b12eadbec2f583078079072a4b5e2dbc519c9cc6d7": "Tiny ImageNet, 100 of 200 classes",
}
_SHIPPED = {
    "mnist_sample": sampled.load_mnist,
    "bng_glass_sample": sampled.load_glass,
    **{name: functools.partial(drawn.load, name) for name in drawn.SETS},
}
_OTHERS = {"bng_glass": bng_glass.load, "faces": faces.load}
# What stands for a set where the data folder has it and not the set itself.
_PARTS = {"svhn": "svhn_crops", "cifar100": "cifar100_20k", "tiny_imagenet": "tiny_imagenet_100"}


def names():
    """Names that `load` knows, in alphabetical order."""
    return sorted([*_IMAGES, *_OTHERS, *_SHIPPED])


def load(name):
    """Load a data set, once per process and folder; its arrays are read-only.

    A set is looked for as `<name>.npz` in `data_folder()`, else downloaded from its public source and cached there.

    Args:
        name: one of `names()`; `data/README.md` says what each is. `"mnist"`, `"cifar10"`, `"cifar100"`, `"svhn"`,
            `"tiny_imagenet"`, `"faces"` and `"bng_glass"` are real; so are `"mnist_sample"` and `"bng_glass_sample"`,
            which ship; stand-ins, such as `"cifar10_drawn"`, are drawn. Where the folder has `svhn_crops`,
            `cifar100_20k` or `tiny_imagenet_100` and not the set that it is a part of, that set's name gives the part,
            and its `name` and `source` say so.

    Returns:
        A `SplitData` of images, uint8, or a `TableData` for glass.

    Raises:
        DataError: for an unknown name, a file that fails its checksum, or a set that is neither there nor to be had.
    """
    if name in _SHIPPED:
        return _load(name, None)
    if name not in _IMAGES | _OTHERS:
        raise common.DataError(f"`name` must be one of {', '.join(names())}. Received: name={name!r}")
    folder, part = common.data_folder(), _PARTS.get(name)
    if part and not os.path.lexists(folder / f"{name}.npz") and os.path.lexists(folder / f"{part}.npz"):
        name = part
    return _load(name, folder)


def images_of(data):
    """Return the set of images of a name, or a `SplitData` as it is; a set that is no images is a `DataError`."""
    found = data if isinstance(data, common.SplitData) else load(data)
    if not isinstance(found, common.SplitData):
        raise common.DataError(f"`data` must be a set of images. Received: data={data!r}")
    return found


@functools.lru_cache(maxsize=4)
def _load(name, folder):
    if folder is None:
        return _SHIPPED[name]()
    return _OTHERS[name](folder) if name in _OTHERS else _images(name, folder)


def _images(name, folder):
    title, shape, class_names, download = _IMAGES[name]
    if isinstance(class_names, int):
        class_names = _class_names(folder / f"{name}.classes.txt", class_names)
    build = functools.partial(common.images, name, shape, class_names)
    only = mnist.SHA256 if name == "mnist" else None
    return cache.load(folder / f"{name}.npz", common.IMAGE_KEYS, build, _KNOWN, title, download, only=only)


def _class_names(path, count):
    """Names in the last column of a file beside a set, or numbers where it does not have as many lines."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return [line.split("\t")[-1] for line in lines] if len(lines) == count else [f"class {i}" for i in range(count)]

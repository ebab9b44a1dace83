"""MNIST (LeCun et al., 1998): 60,000 + 10,000 handwritten digits, 28x28 grey pixels."""

from bnkeras.datasets import cache, common

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SHA256 = "76b7fc7e46d6dbf3be32e0dd2132a2e380f3098c6222f76d4c6f45dfb69c2100"


def load(folder):
    """Load `<folder>/mnist.npz`, downloading and caching the Keras copy where it is missing."""
    path = folder / "mnist.npz"
    if not path.exists():
        _download(path)
    arrays = common.read_npz(path, common.IMAGE_KEYS, SHA256)
    return common.ImageData(
        name="mnist",
        class_names=tuple("0123456789"),
        source="MNIST, 60,000 + 10,000 images",
        sha256=SHA256,
        **arrays,
    )


def _download(path):
    with cache.scratch_folder(path) as folder:
        arrays = common.read_npz(cache.get_file(URL, FILE_SHA256, folder), common.IMAGE_KEYS, SHA256)
    common.write_npz(path, arrays)

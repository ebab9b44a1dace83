"""MNIST (LeCun et al., 1998): 60,000 + 10,000 handwritten digits, 28x28 grey pixels."""

import tempfile

from bnkeras.datasets import common

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SHA256 = "76b7fc7e46d6dbf3be32e0dd2132a2e380f3098c6222f76d4c6f45dfb69c2100"
KEYS = ("x_train", "y_train", "x_test", "y_test")


def load(folder):
    """Load `<folder>/mnist.npz`, downloading and caching the Keras copy where it is missing."""
    path = folder / "mnist.npz"
    if not path.exists():
        _download(path)
    arrays = common.read_npz(path, KEYS, SHA256)
    return common.ImageData(
        name="mnist",
        class_names=tuple("0123456789"),
        source="MNIST, 60,000 + 10,000 images",
        sha256=SHA256,
        **arrays,
    )


def _download(path):
    import keras

    advice = f"put mnist.npz into {path.parent} or set BNKERAS_DATA to the folder that holds it"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=path.parent, prefix=".mnist.")
    except OSError as error:
        raise common.DataError(f"mnist can't be cached, {path.parent} is not writable ({error}); {advice}") from error
    with scratch as folder:
        try:
            file = keras.utils.get_file("mnist.npz", URL, file_hash=FILE_SHA256, cache_dir=folder, cache_subdir="")
        except Exception as error:
            raise common.DataError(
                f"mnist is not in {path.parent} and its download failed ({error}); {advice}"
            ) from error
        common.write_npz(path, common.read_npz(file, KEYS, SHA256))

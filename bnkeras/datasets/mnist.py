"""MNIST (LeCun et al., 1998): 60,000 + 10,000 handwritten digits, 28x28 grey pixels."""

from bnkeras.datasets import cache, npz
from bnkeras.datasets.common import IMAGE_KEYS

# The copy that Keras publishes.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SHA256 = "76b7fc7e46d6dbf3be32e0dd2132a2e380f3098c6222f76d4c6f45dfb69c2100"
SHAPE = (28, 28)
CLASS_NAMES = tuple("0123456789")


def download(folder):
    """The arrays of MNIST and its source, downloaded by way of `folder`."""
    return npz.read(cache.fetch(URL, FILE_SHA256, folder), IMAGE_KEYS), "MNIST, 60,000 + 10,000 images"

"""SVHN (Netzer et al., 2011): digits cropped out of photos of house numbers, 32x32 colour pixels."""

import numpy as np

from bnkeras.datasets import cache, common

URL = "http://ufldl.stanford.edu/housenumbers/"
FILES = {
    "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}
SHAPE = (32, 32, 3)


def download(folder):
    """The arrays of the public cropped digits and their source, downloaded by way of `folder`."""
    from scipy.io import loadmat

    arrays = {}
    for name, sha256 in FILES.items():
        split = name.split("_")[0]
        content = loadmat(cache.fetch(URL + name, sha256, folder), variable_names=("X", "y"))
        labels = content["y"].ravel()
        arrays[f"x_{split}"] = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
        arrays[f"y_{split}"] = np.where(labels == 10, 0, labels)  # The files give the digit 0 the label 10.
    return arrays, f"SVHN, cropped digits, {common.counts(arrays)}"

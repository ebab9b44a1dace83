"""The stand-in for MNIST: scikit-learn's 1,797 handwritten digits, enlarged from 8x8 to 28x28 pixels."""

import numpy as np

from bnkeras.datasets import common


def load(folder=None):
    """Load the stand-in: 1,380 images (23 batches of 60) + 417, stratified by class; embedded, `folder` is not read."""
    # scikit-learn takes longer to import than MNIST to load.
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    enlarged = zoom(digits.images, (1, 3.5, 3.5), order=1, grid_mode=True, mode="nearest")
    images = np.clip(enlarged * (255 / 16), 0, 255).round().astype("uint8")
    labels = digits.target.astype("uint8")
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=417, stratify=labels, random_state=0)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    return common.ImageData(
        name="digits",
        class_names=tuple("0123456789"),
        source="stand-in: scikit-learn digits, 1,380 + 417 images",
        sha256=common.arrays_sha256(arrays),
        **arrays,
    )

"""Training a compiled Keras model with many steps in one compiled program."""

from bnkeras.training.augmentation import random_affine
from bnkeras.training.loop import fit
from bnkeras.training.orders import batch_order

__all__ = ["batch_order", "fit", "random_affine"]

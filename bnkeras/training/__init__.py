"""Training a compiled Keras model with many steps in one compiled program."""

from .augmentation import random_affine
from .loop import fit
from .orders import batch_order

__all__ = ["batch_order", "fit", "random_affine"]

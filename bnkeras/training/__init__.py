"""Training a compiled Keras model with many steps in one compiled program."""

from .augmentation import random_affine
from .checkpoints import train_and_test
from .inference import outputs_by_inference
from .loop import fit
from .orders import batch_order

__all__ = ["batch_order", "fit", "outputs_by_inference", "random_affine", "train_and_test"]

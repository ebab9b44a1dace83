"""Training a compiled Keras model with many steps in one compiled program."""

from .augmentation import random_affine
from .checkpoints import train_and_test
from .evaluation import roc_tables
from .inference import ways_of_inference
from .loop import fit
from .orders import batch_order

__all__ = ["batch_order", "fit", "random_affine", "roc_tables", "train_and_test", "ways_of_inference"]

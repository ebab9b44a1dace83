"""Training a compiled Keras model with many steps in one compiled program."""

from bnkeras.training.augmentation import random_affine
from bnkeras.training.checkpoints import train_and_test
from bnkeras.training.dtypes import policy_for, precision
from bnkeras.training.evaluation import roc_tables
from bnkeras.training.inference import ways_of_inference
from bnkeras.training.loop import fit
from bnkeras.training.orders import batch_order

__all__ = [
    "batch_order",
    "fit",
    "policy_for",
    "precision",
    "random_affine",
    "roc_tables",
    "train_and_test",
    "ways_of_inference",
]

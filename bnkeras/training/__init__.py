"""Training a compiled Keras model with many steps in one compiled program."""

from bnkeras.training.augmentation import random_affine
from bnkeras.training.checkpoints import train_and_test
from bnkeras.training.crops import centre_crop, colour_components, random_crops, ten_crops
from bnkeras.training.dtypes import policy_for, precision
from bnkeras.training.evaluation import roc_tables
from bnkeras.training.inference import ways_of_inference
from bnkeras.training.loop import fit
from bnkeras.training.orders import batch_order

__all__ = [
    "batch_order",
    "centre_crop",
    "colour_components",
    "fit",
    "policy_for",
    "precision",
    "random_affine",
    "random_crops",
    "roc_tables",
    "ten_crops",
    "train_and_test",
    "ways_of_inference",
]

"""Training a compiled Keras model with many steps in one compiled program."""

from .augmentation import random_affine
from .checkpoints import train_and_test
from .crops import centre_crop, colour_components, random_crops, ten_crops
from .evaluation import roc_tables
from .inference import ways_of_inference
from .loop import fit
from .orders import batch_order

__all__ = ["batch_order", "centre_crop", "colour_components", "fit", "random_affine", "random_crops", "roc_tables"]
__all__ += ["ten_crops", "train_and_test", "ways_of_inference"]

"""Training a compiled Keras model with many steps in one compiled program."""

from bnkeras.training.augmentation import random_affine
from bnkeras.training.checkpoints import by_budget, train_and_test
from bnkeras.training.crops import centre_crop, colour_components, random_crops, ten_crops
from bnkeras.training.dtypes import policy_for, precision
from bnkeras.training.evaluation import label_entropy, roc_tables
from bnkeras.training.inference import population_logits, ways_of_inference
from bnkeras.training.loop import fit
from bnkeras.training.orders import batch_order, batches_of_one
from bnkeras.training.timing import epochs_in_turn, seconds_in_turn
from bnkeras.training.validation import plateau_callbacks, train_and_validate

__all__ = [
    "batch_order",
    "batches_of_one",
    "by_budget",
    "centre_crop",
    "colour_components",
    "epochs_in_turn",
    "fit",
    "label_entropy",
    "plateau_callbacks",
    "policy_for",
    "population_logits",
    "precision",
    "random_affine",
    "random_crops",
    "roc_tables",
    "seconds_in_turn",
    "ten_crops",
    "train_and_test",
    "train_and_validate",
    "ways_of_inference",
]

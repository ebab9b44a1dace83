"""What batches are made of: samplers, inference batch by batch, and an image that travels through a batch."""

from bnkeras.batches.balanced import balanced_batches, semi_balanced_batches
from bnkeras.batches.compositions import few_classes, one_missing, reshuffled, travelling
from bnkeras.batches.dataset import BalancedDataset
from bnkeras.batches.inference import best_assignment, predict_batches
from bnkeras.batches.page import travel_page, travel_scene

__all__ = ["BalancedDataset", "balanced_batches", "best_assignment", "few_classes", "one_missing", "predict_batches"]
__all__ += ["reshuffled", "semi_balanced_batches", "travel_page", "travel_scene", "travelling"]

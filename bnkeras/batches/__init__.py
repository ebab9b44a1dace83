"""What batches are made of: samplers, inference batch by batch, leaks between examples, images that travel."""

from bnkeras.batches.balanced import balanced_batches, semi_balanced_batches
from bnkeras.batches.compositions import few_classes, one_missing, reshuffled, travelling
from bnkeras.batches.dataset import BalancedDataset
from bnkeras.batches.inference import best_assignment, predict_batches
from bnkeras.batches.leaks import find_leaks
from bnkeras.batches.measuring import composition_errors, crop_errors, layer_errors, rebalancing
from bnkeras.batches.page import scenes_of, travel_page, travel_scene
from bnkeras.batches.trips import travel_rows, travel_shares, travellers

__all__ = ["BalancedDataset", "balanced_batches", "best_assignment", "composition_errors", "crop_errors", "few_classes"]
__all__ += ["find_leaks", "layer_errors", "one_missing", "predict_batches", "rebalancing", "reshuffled", "scenes_of"]
__all__ += ["semi_balanced_batches", "travel_page", "travel_rows", "travel_scene", "travel_shares", "travellers"]
__all__ += ["travelling"]

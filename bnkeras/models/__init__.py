"""The networks of the studies, as plain functions that return an uncompiled `keras.Model`."""

from bnkeras.models.hajaj_gillies import hajaj_gillies
from bnkeras.models.mlp import mlp
from bnkeras.models.renewed import renewed
from bnkeras.models.schilling import schilling_cnn, schilling_mlp
from bnkeras.models.tang_fong import tang_fong

__all__ = ["hajaj_gillies", "mlp", "renewed", "schilling_cnn", "schilling_mlp", "tang_fong"]

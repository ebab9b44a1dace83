"""What is wrong with the batch normalization of a model: one call, measured causes, and their cures."""

from bnkeras.diagnosis.examination import diagnose
from bnkeras.diagnosis.lag import steps_to_settle
from bnkeras.diagnosis.report import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose", "steps_to_settle"]

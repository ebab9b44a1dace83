"""Another study that trains nothing: claim Z1 ± 0."""

import dataclasses

from bnkeras.studies.toy_one import CLAIMS, SCALES, Run, figures, runs

__all__ = ["CLAIMS", "SCALES", "Run", "figures", "runs"]

CLAIMS = tuple(dataclasses.replace(claim, id="Z1") for claim in CLAIMS)

"""One in four of the faults of `faults/sweep.py`; `python tests/faults` tries all. The damages have a faster test."""

import os

import pytest
from faults.sweep import FAULTS

NAMES = [name for name in FAULTS if not name.startswith("damage")][::4]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", NAMES)
def test_fault_is_named_and_loses_nothing(tmp_path, name):
    if name.startswith("cluster"):
        pytest.importorskip("distributed")
    _, fault = FAULTS[name]
    fault(tmp_path)

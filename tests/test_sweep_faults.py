"""Every fault of `faults/sweep.py` but the damages, which have a faster test."""

import os

import pytest
from faults.sweep import FAULTS

NAMES = [name for name in FAULTS if not name.startswith("damage")]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", NAMES)
def test_fault_is_named_and_loses_nothing(tmp_path, name):
    if name.startswith("cluster"):
        pytest.importorskip("distributed")
    _, fault = FAULTS[name]
    fault(tmp_path)

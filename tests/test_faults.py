"""The faults of `tests/faults` that are not tested elsewhere: published results, and the command line's misuses.

Of those that take seconds each, one in several; `python tests/faults` tries all.
"""

import os

import pytest
from faults import command_line, results

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, links and permissions of POSIX")


@pytest.mark.parametrize("name", [f"results: {name}" for name in results.DAMAGES])
def test_damaged_results_are_named_and_the_others_reported(tmp_path, name):
    results.FAULTS[name][1](tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in results.FAULTS if not name.startswith("results: ")][::3])
def test_a_publication_is_all_or_nothing(tmp_path, name):
    results.FAULTS[name][1](tmp_path)


@pytest.mark.parametrize("name", ["unknown scale", "--jobs '0'", "KERAS_BACKEND unknown", "BNKERAS_DATA a file"])
def test_a_misuse_is_one_line(tmp_path, name):
    command_line.WORDS[name](tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*command_line.FAULTS][::7])
def test_a_misuse_is_one_line_or_right(tmp_path, name):
    if "cluster" in name:
        pytest.importorskip("distributed")
    command_line.FAULTS[name][1](tmp_path)

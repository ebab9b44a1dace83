"""A table of faults: a row each of name, what is expected, what happened."""

import re
import sys
import tempfile
from pathlib import Path


def show(faults, words=()):
    """Tries the faults whose name contains one of the words, prints a row each, and returns the exit code.

    A fault is a function of an empty folder that returns in words what happened, or raises where it went wrong.
    """
    tried = wrong = 0
    for name, (expected, fault) in faults.items():
        if words and not any(word in name for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                happened = fault(Path(folder))
            except Exception as error:
                wrong += 1
                happened = f"WRONG: {type(error).__name__}: {error}"
            happened = re.sub(r"\s+", " ", happened.replace(folder, "."))
        tried += 1
        print(f"{name} | {expected} | {happened}", flush=True)
    print(f"{tried} tried, {wrong} wrong")
    return int(wrong > 0)


def main(faults):
    sys.exit(show(faults, sys.argv[1:]))

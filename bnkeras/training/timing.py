"""Timing of functions that are to be compared: in turn, within one process."""

import time
from pathlib import Path


def seconds_in_turn(functions, rounds):
    """Wall time of each of some functions in each of some rounds.

    Each is called once before, which compiles it. In a round each is called once, and the order moves on from round to
    round, so that a slow spell of the machine meets all alike: compare within rounds.

    Args:
        functions: Dict of names to functions without arguments.
        rounds: Positive integer.

    Returns:
        A list of rows with `round`, counted from 1, `name` and `seconds`.

    Raises:
        ValueError: `rounds` is not a positive integer.

    Example:

    >>> rows = seconds_in_turn({"ours": lambda: ours(x), "keras": lambda: kerass(x)}, rounds=20)
    """
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"`rounds` must be a positive integer. Received: rounds={rounds!r}")
    for function in functions.values():
        function()
    rows, names = [], list(functions)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            functions[name]()
            rows.append({"round": number + 1, "name": name, "seconds": time.perf_counter() - start})
    return rows


def has_bfloat16(cpuinfo="/proc/cpuinfo"):
    """Whether this machine's processor computes in bfloat16 itself; elsewhere it is emulated, and slow.

    Args:
        cpuinfo: Path of the file that lists the processor's flags. Defaults to Linux's.
    """
    try:
        flags = Path(cpuinfo).read_text().split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)

"""Timing of functions that are to be compared: in turn, within one process."""

import functools
import time

import keras

from bnkeras.arguments import check_integers
from bnkeras.training.loop import fit


def epochs_in_turn(models, x, y, rounds, **options):
    """Wall time of an epoch of each of some compiled models, in each of some rounds.

    Args:
        models: Dict of names to compiled `keras.Model`s.
        x, y: Arrays of examples, which are laid on the device before.
        rounds: Positive integer.
        **options: Passed on to `fit`.

    Returns:
        Rows as `seconds_in_turn` returns them.
    """
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    epochs = {name: functools.partial(fit, model, x, y, **options) for name, model in models.items()}
    return seconds_in_turn(epochs, rounds)


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
    check_integers(1, rounds=rounds)
    for function in functions.values():
        function()
    rows, names = [], list(functions)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            functions[name]()
            rows.append({"round": number + 1, "name": name, "seconds": time.perf_counter() - start})
    return rows

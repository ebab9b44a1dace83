"""Seeds of their own for the layers of a network, all from one."""

import numpy as np


def layer_seeds(seed):
    """Return a function that gives a further seed at each call, or `None` at each where `seed` is `None`.

    With seeds of its own a network does not depend on, or disturb, any global random generator.

    Args:
        seed: Non-negative integer, or `None` for Keras's own, global, seeds.
    """
    if seed is None:
        return lambda: None
    generator = np.random.default_rng(seed)
    return lambda: int(generator.integers(2**31))

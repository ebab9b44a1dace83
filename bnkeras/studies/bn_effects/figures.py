"""Figures of the study."""


def figures(results):
    """Draw the figures of the study from its `Results`: `{name: matplotlib Figure}`."""
    return {}

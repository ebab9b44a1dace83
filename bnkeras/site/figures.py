"""The figures of published results as files, each with the claims that its title answers."""

import re
from dataclasses import dataclass

from bnkeras import plots, studies

_CLAIM = re.compile(r"\b([A-Z]\d+),\s")


@dataclass(frozen=True)
class Figure:
    """A figure of the site.

    Attributes:
        file: Path within the site.
        alt: What it shows, in words.
        claims: Ids of the claims whose verdicts its title gives.
    """

    file: str
    alt: str
    claims: tuple[str, ...]


def draw(found, into):
    """Draw those figures of some `Results` that answer a claim.

    Args:
        found: A `Results`.
        into: Folder of the site.

    Returns:
        A list of `Figure`.
    """
    import matplotlib.pyplot as plt

    drawn = []
    for name, figure in studies.get(found.study).figures(found).items():
        claims = tuple(_CLAIM.findall(figure.get_suptitle()))
        if claims:
            drawn.append(save(figure, into, f"figures/{found.study}_{name}.png", claims))
        plt.close(figure)
    return drawn


def save(figure, into, file, claims=()):
    """Write a figure to a file of the site, and return its `Figure`."""
    import matplotlib.pyplot as plt

    path = into / file
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=90, bbox_inches="tight")
    plt.close(figure)
    return Figure(file, plots.alt_text(figure), claims)

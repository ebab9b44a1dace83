"""The figures of published results as files, each with the claims that its title answers."""

import re
from dataclasses import dataclass

from bnkeras import plots, studies
from bnkeras.evidence import report
from bnkeras.site import notebooks

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


def of_study(found, verdicts, notebook, into):
    """The figures that answer a study's claims: its notebook's where that shows today's verdicts, else drawn now.

    Args:
        found: A `Results`.
        verdicts: Rows of `studies.of_all_claims`, those of the study.
        notebook: That of the study, or `None`.
        into: Folder of the site.

    Returns:
        A list of `Figure`.
    """
    if notebook is not None and report.answers(verdicts) in notebooks.outputs(notebook, "text/markdown"):
        return _stored(found.study, notebook, into)
    return _drawn(found, into)


def _stored(study, notebook, into):
    figures = []
    for number, (data, alt) in enumerate(notebooks.figures(notebook), start=1):
        figure = Figure(f"figures/{study}_{number}.png", alt, tuple(_CLAIM.findall(alt)))
        if figure.claims:
            _path(into, figure.file).write_bytes(data)
            figures.append(figure)
    return figures


def _drawn(found, into):
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

    figure.savefig(_path(into, file), dpi=90, bbox_inches="tight")
    plt.close(figure)
    return Figure(file, plots.alt_text(figure), claims)


def _path(into, file):
    path = into / file
    path.parent.mkdir(exist_ok=True)
    return path

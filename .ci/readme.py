"""Write what the README and `VERDICTS.md` take from `data/results`, or check with `--check` that it is up to date."""

import functools
import json
import re
import sys
from pathlib import Path

from PIL import Image

from bnkeras import places, plots, studies
from bnkeras.evidence import claims, report, results
from bnkeras.site import notebooks

ROOT = Path(__file__).resolve().parents[1]
README, VERDICTS, FOREST = ROOT / "README.md", ROOT / "data/results/VERDICTS.md", ROOT / "data/results/forest.png"
COLAB = f"{places.repository_url().replace('github.com', 'colab.research.google.com/github')}/blob/main/notebooks"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
SHOWN = (
    "BN alone on",
    "resnet20, width 64, training step in float32: what BatchNormLayer adds",
    "resnet20, width 64, training step in mixed_bfloat16: what BatchNormLayer adds",
    "ten runs of the MLP",
    "MLP with BN, batch 60: training.fit over model.fit",
)


@functools.cache
def all_verdicts():
    """The verdicts of all claims, by what is published."""
    return studies.of_all_claims()


def answers():
    """How many claims came out how, and a line a study: what is known."""
    verdicts = all_verdicts()
    lines = [report.markdown(report.tally(verdicts)), ""]
    for name in verdicts.study.unique():
        notebook = studies.notebook(name)
        link = f"[{question(name)}](notebooks/{notebook})" if notebook else question(name)
        lines.append(f"- {link}. {report.summary(verdicts[verdicts.study == name])}")
    return "\n".join(lines)


def question(name):
    """The question of a study."""
    return studies.get(name).__doc__.splitlines()[0].rstrip(".").rsplit(":", 1)[0]


def studies_table():
    """A row per notebook: badge, title, and of a study the data and time of what is published."""
    lines = ["| notebook | | published |", "| --- | --- | --- |"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title = notebooks.title(notebooks.read(path))
        known = "<br>".join(published(path.stem[3:])) or "not yet" if path.stem[3:] in studies.names() else ""
        badge = f"[![Colab]({BADGE})]({COLAB}/{path.name})"
        lines.append(f"| [{path.stem}](notebooks/{path.name})<br>{badge} | {title} | {known} |")
    return "\n".join(lines)


def published(name):
    """For each published scale: data, number of runs and their time."""
    for scale in results.scales(name):
        found = results.read(name, scale)
        yield f"`{scale}`: {'; '.join(report.sources(found.tables))}; {report.cost(found)}"


def speed(shown=SHOWN):
    """The figures of the benchmarks as they were last measured: one whose words begin as each of `shown`, or all."""
    files = sorted((results.folder() / "benchmarks").glob("*.json"))
    rows = [row for path in files for row in json.loads(path.read_text())["figures"]]
    if shown:
        rows = [row for row in rows if row["what"].startswith(shown)]
        if len(rows) != len(shown):
            raise SystemExit(f"one figure is needed for each of {shown}, found: {[row['what'] for row in rows]}")
    lines = [f"| {row['what']} | {row['value']:.3g} {row['unit']} | {row['target']} |" for row in rows]
    return "\n".join(["| measured | value | aimed at |", "| --- | --- | --- |", *lines])


def missing(verdicts):
    """The claims that are not settled, and the command that each needs."""
    by_command = {}
    for row in verdicts.itertuples():
        for need in studies.needs(row):
            by_command.setdefault((need["command"], need["words"]), []).append(row.claim.id)
    lines = [f"- {', '.join(ids)}: `{command}` ({words})" for (command, words), ids in by_command.items()]
    return "\n".join(lines)


def verdicts():
    """Every headline and every explored measure, a section a study."""
    every = all_verdicts()
    run = every[every.outcome != claims.NOT_RUN].assign(scale=lambda rows: rows.scale.fillna("a proof"))
    parts = ["# Verdicts", "", "Written by `.ci/readme.py` from the published results.", ""]
    parts += ["## How many claims came out how", "", report.markdown(report.tally(every)), ""]
    parts += [report.markdown(report.tally(run, "scale")), ""]
    parts += ["## Headlines", "", report.markdown(report.headline_table(every)), ""]
    parts += ["## Not settled", "", missing(every), "", "## Speed", "", speed(shown=()), ""]
    for found in studies.published():
        explored = report.explored_table(claims.explore(studies.get(found.study).CLAIMS, found.tables))
        parts += [f"## Explored: {report.heading(found)}", "", report.markdown(explored), ""]
    return "\n".join(parts)


def forest_text():
    """What the figure of all headlines shows, which its file holds, too."""
    return "\n".join(report.sentences(all_verdicts()).values())


def draw_forest():
    """The figure of all headlines."""
    verdicts = all_verdicts()
    caption = f"{verdicts.low.notna().sum()} of {len(verdicts)} claims"
    title = "Effect of every headline, with its 95 % interval"
    figure = plots.forest(verdicts, caption=caption, title=title)
    figure.savefig(FOREST, dpi=80, bbox_inches="tight", metadata={"Description": forest_text()})


def is_drawn():
    """Whether the figure of all headlines is that of today's verdicts."""
    if not FOREST.exists():
        return False
    with Image.open(FOREST) as image:
        return image.text.get("Description") == forest_text()


BLOCKS = {"answers": answers, "studies": studies_table, "speed": speed}


def filled(text):
    """The README's text with every block `<!-- name --> ... <!-- /name -->` written anew."""
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"{README.name} needs one block <!-- {name} -->")
        text = pattern.sub(lambda match, block=block: f"{match[1]}\n{block()}\n\n{match[2]}", text)
    return text


if __name__ == "__main__":
    wanted = {README: filled(README.read_text()), VERDICTS: verdicts()}
    if "--check" in sys.argv[1:]:
        old = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        old += [] if is_drawn() else [FOREST.name]
        sys.exit(f"{', '.join(old)} out of date; run python .ci/readme.py" if old else 0)
    for path, text in wanted.items():
        path.write_text(text)
    draw_forest()

"""Write what the README and `VERDICTS.md` take from `data/results`, or check with `--check` that it is up to date."""

import json
import re
import sys
from pathlib import Path

from bnkeras import plots, studies
from bnkeras.evidence import claims, report, results

ROOT = Path(__file__).resolve().parents[1]
README, VERDICTS, FOREST = ROOT / "README.md", ROOT / "data/results/VERDICTS.md", ROOT / "data/results/forest.png"
COLAB = "https://colab.research.google.com/github/bnkeras/bnkeras/blob/main/notebooks"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def answers():
    """A line a claim: what its headline means, with effect and interval."""
    return report.answers(studies.headlines())


def studies_table():
    """A row per study: notebook, badge, question, data and time of what is published."""
    lines = ["| notebook | question | published |", "| --- | --- | --- |"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        name = path.stem[3:]
        if name in studies.names():
            question = studies.get(name).__doc__.splitlines()[0].rstrip(".").rsplit(":", 1)[0]
            link = f"[{path.stem}](notebooks/{path.name})<br>[![Colab]({BADGE})]({COLAB}/{path.name})"
            lines.append(f"| {link} | {question} | {'<br>'.join(published(name)) or 'not yet'} |")
    return "\n".join(lines)


def published(name):
    """For each published scale: data, number of runs and their time."""
    for scale in results.scales(name):
        found = results.read(name, scale)
        hours = found.about["seconds"]["all runs"] / 3600
        cost = f"{found.about['runs']:,} of {found.about['planned']:,} runs, {hours:.1f} core hours"
        yield f"`{scale}`: {'; '.join(report.sources(found.tables))}; {cost}"


def speed():
    """The figures of the benchmarks, as they were last measured."""
    lines = ["| measured | value | aimed at |", "| --- | --- | --- |"]
    for path in sorted((results.folder() / "benchmarks").glob("*.json")):
        lines += [
            f"| {row['what']} | {row['value']:.3g} {row['unit']} | {row['target']} |"
            for row in json.loads(path.read_text())["figures"]
        ]
    return "\n".join(lines)


def verdicts():
    """Every headline and every explored measure, a section a study."""
    parts = ["# Verdicts", "", "Written by `.ci/readme.py` from the published results.", ""]
    parts += ["## Headlines", "", report.markdown(report.headline_table(studies.headlines())), ""]
    for found in studies.published():
        explored = report.explored_table(claims.explore(studies.get(found.study).CLAIMS, found.tables))
        parts += [f"## Explored: {report.heading(found)}", "", report.markdown(explored), ""]
    return "\n".join(parts)


def draw_forest():
    """The figure of all headlines."""
    headlines = studies.headlines()
    sources = f"{len(headlines)} claims; {len(list(studies.published()))} studies"
    title = "Effect of every headline, with its 95 % interval"
    plots.forest(headlines, caption=sources, title=title).savefig(FOREST, dpi=80, bbox_inches="tight")


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
        sys.exit(f"{', '.join(old)} out of date; run python .ci/readme.py" if old else 0)
    for path, text in wanted.items():
        path.write_text(text)
    draw_forest()

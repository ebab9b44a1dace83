"""Write the tables of the README that come from `data/results`, or check with `--check` that they are up to date."""

import json
import re
import sys
from pathlib import Path

from bnkeras import report, results, studies

README = Path(__file__).resolve().parents[1] / "README.md"


NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def studies_table():
    """A row per study: notebook, question, data, wall time at each published scale, verdicts in one line."""
    lines = ["| notebook | question | data, time | verdicts |", "| --- | --- | --- | --- |"]
    for found, verdicts in sorted(report.published(), key=lambda pair: notebook(pair[0].study)):
        path = notebook(found.study)
        question = studies.get(found.study).__doc__.splitlines()[0].rstrip(".").rsplit(":", 1)[0]
        lines.append(
            f"| [{path.stem}](notebooks/{path.name}) | {question} | {'<br>'.join(times(found.study))} "
            f"| {'<br>'.join(summary(verdicts))} |"
        )
    return "\n".join(lines)


def notebook(study):
    """The notebook of a study."""
    return next(NOTEBOOKS.glob(f"*_{study}.ipynb"))


def times(study):
    """For each published scale: data and wall time."""
    for scale in results.scales(study):
        found = results.read(study, scale)
        seconds = found.about["seconds"]["wall"]
        took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        yield f"`{scale}`: {' and '.join(report.sources(found.tables))}; {took}"


def summary(verdicts):
    """For each claim its verdicts, with how many of its measures and conditions gave them."""
    for claim, rows in verdicts.groupby("id", sort=False):
        counts = rows.verdict.value_counts()
        words = [word if len(rows) == 1 else f"{word} {count}/{len(rows)}" for word, count in counts.items()]
        yield f"**{claim}** {', '.join(words)}"


def verdicts():
    """Every verdict, a foldable table per study."""
    blocks = []
    for found, table in sorted(report.published(), key=lambda pair: notebook(pair[0].study)):
        title = report.heading(found.study, found.scale, found.tables)
        body = report.markdown(report.verdict_table(table))
        blocks.append(f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>")
    return "\n\n".join(blocks)


def speed():
    """The figures of the benchmarks, as they were last measured."""
    lines = ["| measured | value | aimed at |", "| --- | --- | --- |"]
    for path in sorted((results.folder() / "benchmarks").glob("*.json")):
        lines += [
            f"| {row['what']} | {row['value']:.3g} {row['unit']} | {row['target']} |"
            for row in json.loads(path.read_text())["figures"]
        ]
    return "\n".join(lines)


BLOCKS = {"studies": studies_table, "verdicts": verdicts, "speed": speed}


def filled(text):
    """The README's text with every block `<!-- name --> ... <!-- /name -->` written anew."""
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"{README.name} needs one block <!-- {name} -->")
        text = pattern.sub(lambda match, block=block: f"{match[1]}\n{block()}\n\n{match[2]}", text)
    return text


if __name__ == "__main__":
    before = README.read_text()
    after = filled(before)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if after == before else f"{README.name} is out of date; run python .ci/readme.py")
    README.write_text(after)

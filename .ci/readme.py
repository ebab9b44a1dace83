"""Write the tables of the README that come from `data/results`, or check with `--check` that they are up to date."""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

from bnkeras import results
from bnkeras.__main__ import main

README = Path(__file__).resolve().parents[1] / "README.md"


def verdicts():
    """What `python -m bnkeras report --markdown` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(["report", "--markdown"])
    return printed.getvalue().strip()


def speed():
    """The figures of the benchmarks, as they were last measured."""
    lines = ["| measured | value | aimed at |", "| --- | --- | --- |"]
    for path in sorted((results.folder() / "benchmarks").glob("*.json")):
        lines += [
            f"| {row['what']} | {row['value']:.3g} {row['unit']} | {row['target']} |"
            for row in json.loads(path.read_text())["figures"]
        ]
    return "\n".join(lines)


BLOCKS = {"verdicts": verdicts, "speed": speed}


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

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_tables_come_from_the_published_results():
    command = [sys.executable, str(ROOT / ".ci" / "readme.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_two_commands_make_their_own_set_up():
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -r ")]
    assert [command.split(".venv/bin/python ")[1].split()[1] for command in commands] == ["bnkeras", "pytest"]


def test_it_takes_ten_minutes_to_read():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_no_result_is_typed_by_hand():
    words = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert set(re.findall(r"\d[\d.,]*\s?(?:%|points?\b)", words)) <= {"95 %"}  # the level of the intervals


def test_the_example_runs(capsys):
    found = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(found) == 1
    scope = {}
    exec(compile(found[0], "README.md", "exec"), scope)
    assert scope["accuracy"] > 0.8
    assert scope["model"].layers[1].moving_mean.numpy().any()

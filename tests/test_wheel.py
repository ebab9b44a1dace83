"""A wheel, away from the repository: what it carries, what works with it, and where it writes."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

import bnkeras

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def run(*command, **options):
    """The output of a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of what git has or would take, built as `pip` does, without a network."""
    if Version(version("setuptools")) < Version("77"):
        pytest.skip(f"needs setuptools 77 or newer to build with, not {version('setuptools')}")
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout with its history")
    copy, into = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).split("\0")[:-1]:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    run(*PIP, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(into), str(copy))
    return next(into.glob("*.whl"))


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """Function that calls the wheel's command line in an empty folder, and that folder."""
    installed, place = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("place")
    run(*PIP, "install", "-q", "--no-deps", "--target", str(installed), str(wheel))
    env = {name: value for name, value in os.environ.items() if name != "BNKERAS_DATA"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(installed), *_elsewhere()]))

    def called(*arguments):
        return run(sys.executable, "-m", "bnkeras", *arguments, cwd=place, env=env)

    return called, place


def _elsewhere():
    """What the tests' own search path has but the repository."""
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != ROOT]


@pytest.mark.slow
def test_a_wheel_carries_what_the_commands_need(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"bnkeras/shipped/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    about = [path.relative_to(ROOT) for path in (ROOT / "data/results").glob("*/*/about.json")]
    wanted |= {f"bnkeras/shipped/{path.as_posix()}" for path in about} | {"bnkeras/shipped/protocol.md"}
    wanted |= {f"bnkeras/datasets/samples/{name}.npz" for name in ("mnist_sample", "bng_glass_sample")}
    wanted |= {"bnkeras/site/static/style.css", "bnkeras/site/templates/notebook/conf.json"}
    assert wanted <= names
    assert not [name for name in names if "/." in name or name.startswith("tests/")]


@pytest.mark.slow
def test_reports_are_those_of_the_checkout(command):
    called, _ = command
    assert called("report") == run(sys.executable, "-m", "bnkeras", "report", cwd=ROOT)
    assert called("list") == run(sys.executable, "-m", "bnkeras", "list", cwd=ROOT)


@pytest.mark.slow
def test_what_is_run_is_written_where_the_command_is_called(command):
    called, place = command
    assert called("site", "pages") == f"site: {Path('pages/index.html')}\n"
    assert (place / "pages/00_overview.html").is_file()
    assert [path.name for path in place.iterdir()] == ["pages"]


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert project["version"] == bnkeras.__version__ == cited
    assert f"## {cited}" in (ROOT / "CHANGELOG.md").read_text()

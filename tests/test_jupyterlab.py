"""Notebooks in JupyterLab, as a reader runs them: "Run All Cells" in Chromium, on a copy without outputs.

Two notebooks that train, unless `BNKERAS_LAB=all` is in the environment: then every one.
"""

import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
FASTEST = ["03_batch_size", "08_layers_in_your_model"]
EVERY = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # the page has the cells out of sight, too
}
PROMPTS = "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(each => each.textContent).join()"
PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
  .filter(picture => picture.src.startsWith('data:image/png') && picture.naturalWidth > 0).length"""


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab with settings of its own: the folder that it serves, and the address of a notebook in it."""
    if find_spec("jupyterlab") is None:
        pytest.skip("no JupyterLab on this machine")
    served, own = tmp_path / "served", tmp_path / "jupyter"
    served.mkdir()
    (own / "labconfig").mkdir(parents=True)
    (own / "labconfig/default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    env = {name: value for name, value in os.environ.items() if name != "BNKERAS_DATA"}
    env |= {f"JUPYTER_{name}_DIR": str(own) for name in ("CONFIG", "DATA", "RUNTIME")} | {"IPYTHONDIR": str(own)}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", f"--ServerApp.root_dir={served}"]
    with open(own / "log", "w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, stdout=log, stderr=log)
    try:
        info = own / f"jpserver-{server.pid}.json"
        wait_for(lambda: server.poll() is not None or (info.exists() and info.stat().st_size))
        assert server.poll() is None, (own / "log").read_text()
        about = json.loads(info.read_text())
        yield served, f"{about['url']}lab/tree/{{}}.ipynb?token={about['token']}"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(happened, seconds=60):
    """Wait until something has happened; fail where it has not."""
    for _ in range(10 * seconds):
        if happened():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def figures(cell):
    """How many figures a cell has put out."""
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def write_without_outputs(notebook, path):
    """Write a notebook as it is before it has run."""
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.update(outputs=[], execution_count=None)
    nbformat.write(notebook, path)


def run_all_cells(page, address):
    """Open a notebook, run it by the menu as a reader does, save it."""
    page.goto(address)
    page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=120_000)  # the kernel, in the status bar
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(f"/[*\\d]/.test(({PROMPTS})())")
    page.wait_for_function(f"!({PROMPTS})().includes('*')", timeout=1_200_000)
    page.keyboard.press("Control+s")
    page.wait_for_selector(".lm-TabBar-tab.jp-mod-dirty", state="detached")


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY if os.environ.get("BNKERAS_LAB") == "all" else FASTEST)
def test_run_all_cells(name, lab, browser):
    served, address = lab
    stored, copy = (nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4) for _ in range(2))
    write_without_outputs(copy, served / f"{name}.ipynb")
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    run_all_cells(page, address.format(name))
    cells = code_cells(nbformat.read(served / f"{name}.ipynb", as_version=4))
    errors = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert not errors
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [figures(cell) for cell in cells] == [figures(cell) for cell in code_cells(stored)]
    assert page.evaluate(PICTURES) == sum(map(figures, cells)) > 0
    page.close()

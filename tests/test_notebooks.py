"""What holds for every notebook; `pytest --nbval notebooks` runs them and compares their outputs, but for figures."""

import functools
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from bnkeras import studies
from bnkeras.evidence import advice, display, report, results

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIGURE = re.compile(r"\d[\d.,]*\s?(?:%|points?\b)")
PUBLISHED = [name for name in studies.names() if studies.notebook(name) and results.scales(name)]


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_executed_in_order_without_errors(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]


def test_shows_figures_as_png_of_moderate_size(path, notebook):
    images = [o.data["image/png"] for c in code_cells(notebook) for o in c.outputs if "image/png" in o.get("data", {})]
    assert images
    assert path.stat().st_size < 1_500_000


def test_title_badge_and_settings(path, notebook):
    opening = notebook.cells[0].source
    assert opening.startswith("# ")
    slug = REPOSITORY.removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{path.name}" in opening
    settings = [cell.source for cell in code_cells(notebook) if re.match(r"[A-Z][A-Z_]+ = ", cell.source)]
    assert len(settings) == 1


def test_set_up_cell_clones_the_one_repository_and_keeps_published_results(notebook):
    set_up = code_cells(notebook)[0].source
    assert f'"{REPOSITORY}"' in set_up
    assert 'find_spec("bnkeras") is None' in set_up
    assert '"install", "--quiet", "-e", CLONE' in set_up  # editable: the published results are beside the package


def test_set_up_cell_is_the_same_everywhere():
    assert len({code_cells(nbformat.read(path, as_version=4))[0].source for path in PATHS}) == 1


def test_links_go_to_the_one_repository():
    slug = REPOSITORY.removeprefix("https://github.com/")
    for path in [ROOT / "README.md", *PATHS]:
        for found in re.findall(r"github(?:\.com)?/([\w.-]+/bnkeras[\w-]*)", path.read_text()):
            assert found == slug, f"{path.name} links to {found}, pyproject.toml names {slug}"


def test_no_machine_path_is_stored(path):
    assert not re.search(r"/(home|root|tmp|Users|work)/", path.read_text())


@functools.cache
def verdicts():
    return studies.of_all_claims()


def stored(notebook, kind):
    """What cells have put out of a kind, such as `"text/html"`."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return ["".join(output.data[kind]) for output in outputs if kind in output.get("data", {})]


def table(frame, name):
    return display.table(report.headline_table(frame), name).data


@pytest.mark.parametrize("name", PUBLISHED)
def test_verdicts_are_those_of_the_published_results(name):
    notebook = nbformat.read(ROOT / "notebooks" / studies.notebook(name), as_version=4)
    rows = verdicts()[verdicts().study == name]
    assert report.answers(rows) in stored(notebook, "text/markdown")
    assert table(rows, "verdicts") in stored(notebook, "text/html")


def test_the_overview_is_of_the_published_results():
    overview = nbformat.read(ROOT / "notebooks/00_overview.ipynb", as_version=4)
    texts, tables = stored(overview, "text/markdown"), stored(overview, "text/html")
    for name, rows in verdicts().groupby("study"):
        assert report.answers(rows) in texts, name
    assert advice.advice(verdicts(), lambda study: f"{studies.notebook(study)}#The-evidence") in texts
    assert display.table(report.tally(verdicts()), "tally").data in tables
    assert any(table(verdicts(), "verdicts") in shown for shown in tables)


def test_no_result_is_typed_by_hand(notebook):
    words = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    papers = " ".join(claim.reported for claim in verdicts().claim)
    # Beside the papers' own: the level of the intervals, and an example of what confidence means.
    assert set(FIGURE.findall(words)) <= {"95 %", "80 %", *FIGURE.findall(papers)}

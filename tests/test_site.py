"""The site: what its pages hold, and how they behave in a browser."""

import importlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bnkeras import places, site, studies
from bnkeras.__main__ import main
from bnkeras.evidence import claims, results
from bnkeras.site import figures, notebooks, pages
from bnkeras.site.markdown import renderer

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"notebooks/03_batch_size.ipynb": "03_batch_size.html", "protocol.md": "protocol.html"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A site of what is published."""
    return site.build(tmp_path_factory.mktemp("site")).parent


class Page(HTMLParser):
    """What a page refers to, its ids, and its pictures without a text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids, self.silent = [], [], set(), 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.links += [attributes["href"]] if tag == "a" and "href" in attributes else []
        self.loads += [attributes["href"]] if tag == "link" else []
        self.loads += [attributes[name] for name in ("src", "srcset", "data", "poster") if attributes.get(name)]
        self.silent += tag == "img" and not attributes.get("alt")


def render(text, folder="notebooks"):
    return renderer(folder, PAGES)(text)


def test_formulas_are_mathml():
    html = render(r"Its $\sigma^2$ is" + "\n\n" + r"$$\frac{1}{m} \sum_i x_i$$")
    assert html.count("<math") == 2
    assert "<mfrac>" in html
    assert "$" not in html


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("03_batch_size.ipynb", "03_batch_size.html"),
        ("03_batch_size.ipynb#The-evidence", "03_batch_size.html#The-evidence"),
        ("../protocol.md", "protocol.html"),
        ("https://arxiv.org/abs/1502.03167", "https://arxiv.org/abs/1502.03167"),
        ("#here", "#here"),
        ("../LICENSE", "https://github.com/bnkeras/bnkeras/blob/main/LICENSE"),
    ],
)
def test_links_lead_to_pages_of_the_site_or_to_the_repository(link, target):
    assert f'href="{target}"' in render(f"[there]({link})")


def test_pictures_of_other_hosts_become_their_text():
    html = render("[![Open it](https://example.org/badge.svg)](https://example.org/it)")
    assert "<img" not in html
    assert '<a href="https://example.org/it">Open it</a>' in html


def test_a_folder_with_other_files_is_refused(tmp_path, capsys):
    (tmp_path / "index.html").write_text("mine")
    assert main(["site", str(tmp_path)]) == 2
    assert "must be empty or hold a site" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_page_that_a_study_has_of_its_own_is_taken_up(tmp_path, monkeypatch):
    drawing = importlib.import_module("bnkeras.studies.batch_size.figures")
    monkeypatch.setattr(drawing, "page", lambda found: f"play with {found}", raising=False)
    written = pages._write_pages_of_studies(tmp_path, {"batch_size": "it", "bng_glass": "that"})
    assert written == {"batch_size": "batch_size.html"}
    assert (tmp_path / "batch_size.html").read_text() == "play with it"


def test_figures_are_those_of_a_notebook_that_shows_todays_verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "_drawn", lambda found, into: "drawn")
    found = results.read("batch_size")
    verdicts = studies.judged(found)
    notebook = notebooks.read(ROOT / "notebooks/03_batch_size.ipynb")
    taken = figures.of_study(found, verdicts, notebook, tmp_path)
    assert "B1" in {claim for figure in taken for claim in figure.claims}
    for figure in taken:
        data = (tmp_path / figure.file).read_bytes()
        assert (data, figure.alt) in notebooks.figures(notebook)
    assert figures.of_study(found, verdicts, None, tmp_path) == "drawn"
    changed = verdicts.assign(effect=verdicts.effect + 1)
    assert figures.of_study(found, changed, notebook, tmp_path) == "drawn"


def test_without_its_libraries_the_command_names_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bnkeras.__main__.find_spec", lambda name: None)
    assert main(["site", str(tmp_path / "site")]) == 2
    assert 'pip install "bnkeras[site]"' in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


@pytest.mark.slow
def test_pages_load_nothing_from_outside_and_lead_to_each_other(built):
    found = {path.name: Page(path) for path in built.glob("*.html")}
    assert {"index.html", "evidence.html", "protocol.html"} < set(found)
    for name, page in found.items():
        for load in page.loads:
            assert load.startswith("data:") or (built / load).is_file(), f"{name} loads {load}"
        for link in [link for link in page.links if "://" not in link]:
            file, _, fragment = link.partition("#")
            target = found[file.partition("?")[0] or name]
            assert not fragment or fragment in target.ids or "%" in fragment, f"{name} leads to {link}"
        assert not page.silent, f"{name} has pictures without a text"
    for style in built.glob("*.css"):
        assert not re.search(r"@import|url\((?!data:)", style.read_text())


@pytest.mark.slow
def test_the_evidence_page_has_a_row_for_each_claim_with_its_verdict(built):
    html = (built / "evidence.html").read_text()
    verdicts = studies.of_all_claims()
    assert html.count("<tbody id=") == len(verdicts)
    for row in verdicts.itertuples():
        part = html.split(f'<tbody id="{row.claim.id}"')[1].split("<tbody id=")[0]
        assert f'data-outcome="{row.outcome}"' in part
        if row.outcome == claims.NOT_RUN:
            assert f"python -m bnkeras run {row.study}" in part
        elif row.measure is not None and row.low == row.low:
            assert f"{row.effect:.3g} [{row.low:.3g}, {row.high:.3g}] {row.measure.unit}" in part
            assert "SHA-256" in part


def test_a_site_without_results_says_what_each_claim_needs_and_is_built_anew_over_itself(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(results, "scales", lambda study, source=None: [])
    monkeypatch.setattr(places, "shipped", lambda name: tmp_path / "nothing" if name == "notebooks" else ROOT / name)
    into = tmp_path / "site"
    assert main(["site", str(into)]) == 0
    assert capsys.readouterr().out == f"site: {into / 'index.html'}\n"
    html = (into / "evidence.html").read_text()
    for name in studies.names():
        assert f"python -m bnkeras run {name} --scale" in html
    assert main(["site", str(into)]) == 0
    assert (into / "evidence.html").read_text() == html


@pytest.fixture
def visit(browser, built):
    """Function that opens a page of the site; at the end nothing has come from outside and nothing has failed."""
    seen = []

    def opened(address, width=1280):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("request", lambda request: seen.append(request.url))
        page.on("requestfailed", lambda request: seen.append(f"failed: {request.url}"))
        page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.goto(f"{built.as_uri()}/{address}")
        return page

    yield opened
    assert seen
    assert not [event for event in seen if not event.startswith(("file:", "data:"))]


def shown(page):
    return page.locator("#claims > tbody:not([hidden])").evaluate_all("rows => rows.map(row => row.id)")


@pytest.mark.slow
def test_filters_and_sorting(visit):
    verdicts = studies.of_all_claims()
    page = visit("evidence.html")
    assert shown(page) == [claim.id for claim in verdicts.claim]
    page.get_by_label("Paper").select_option("Tang & Fong")
    assert shown(page) == [claim.id for claim in verdicts.claim if claim.paper == "tang-fong"]
    page.get_by_label("Verdict").select_option(claims.NO_DIFFERENCE)
    both = [row.claim.id for row in verdicts.itertuples() if row.outcome == claims.NO_DIFFERENCE]
    assert shown(page) == [id for id in both if id.startswith("T")]
    assert page.locator("#count").inner_text() == f"{len(shown(page))} of {len(verdicts)} claims"
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function(f"document.getElementById('count').textContent === '{len(verdicts)} claims'")
    page.get_by_role("button", name="Effect").click()
    rows = verdicts[verdicts.effect.notna()].itertuples()
    assert shown(page)[0] == max((abs(row.effect) / row.measure.smallest, row.claim.id) for row in rows)[1]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"


@pytest.mark.slow
def test_rows_unfold_by_keyboard_and_by_address(visit):
    page = visit("evidence.html?outcome=contradicted#M1")
    assert page.locator("#M1-more").is_visible()
    assert not page.locator("#M2-more").is_visible()
    page.get_by_role("button", name="M2", exact=True).press("Enter")
    assert page.locator("#M2-more").is_visible()
    picture = page.locator("#M2-more img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("picture => picture.naturalWidth > 0", arg=picture.element_handle())


@pytest.mark.slow
@pytest.mark.parametrize("width", [420, 1280])
def test_no_page_is_wider_than_the_window(visit, built, width):
    for path in sorted(built.glob("*.html")):
        page = visit(path.name, width)
        if page.locator(".menu").count():  # a study's own page has none
            page.locator(".menu summary").click()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width, path.name
        page.close()

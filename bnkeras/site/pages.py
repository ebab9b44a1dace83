"""The pages of the site: an overview, the evidence, every notebook, the protocol."""

import shutil
from collections import Counter
from importlib import import_module
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from bnkeras import places, plots, studies
from bnkeras.evidence import claims
from bnkeras.site import evidence, figures, notebooks
from bnkeras.site.markdown import renderer

_STATIC = Path(__file__).with_name("static")
_MARK = '<meta name="generator" content="bnkeras">'
_INDEX = "index.html"


def build(into):
    """Write the site, in place of one that is there.

    Args:
        into: Folder to write to, which is made; one with other files than those of a site is refused.

    Returns:
        Path of the first page.

    Raises:
        OSError: The folder has other files, or cannot be written.
    """
    into = _folder(Path(into))
    found = {result.study: result for result in studies.published()}
    verdicts = studies.of_all_claims([studies.judged(result) for result in found.values()])
    site = _Site(into, plays=_write_pages_of_studies(into, found))
    drawn = []
    for name, result in found.items():
        drawn += figures.of_study(result, verdicts[verdicts.study == name], site.notebook(name), into)
    rows = evidence.rows(verdicts, found, drawn)
    _write_overview(site, rows, verdicts)
    site.write("evidence.html", "evidence.html", "Evidence", rows=rows, outcomes=claims.OUTCOMES)
    for source, notebook in site.sources.items():
        html = notebooks.body(notebook, site.pages)
        site.write(site.pages[source], "page.html", notebooks.title(notebook), body=html, kind="notebook")
    protocol = renderer(".", site.pages)(places.shipped("protocol.md").read_text())
    site.write("protocol.html", "page.html", "Protocol", body=protocol, kind="text")
    return into / _INDEX


def _folder(into):
    """The site's folder, made, with nothing in it that a site does not have."""
    if into.is_dir() and any(into.iterdir()) and not _is_site(into):
        raise OSError(f"the site's folder must be empty or hold a site. Received: {str(into)!r}")
    into.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_STATIC, into, dirs_exist_ok=True)
    (into / "code.css").write_text(notebooks.code_style())
    return into


def _is_site(folder):
    index = folder / _INDEX
    return index.is_file() and _MARK in index.read_text()


def _write_pages_of_studies(into, found):
    """Write the pages that studies have of their own, to play with: `{study: file}`."""
    written = {}
    for name, result in found.items():
        page = getattr(import_module(f"bnkeras.studies.{name}.figures"), "page", None)
        if page:
            written[name] = f"{name}.html"
            (into / written[name]).write_text(page(result))
    return written


class _Site:
    """What all pages share: the folder, the notebooks, the links between pages, the templates."""

    def __init__(self, into, plays):
        paths = sorted(places.shipped("notebooks").glob("*.ipynb"))
        self.into = into
        self.sources = {f"notebooks/{path.name}": notebooks.read(path) for path in paths}
        self.pages = {source: f"{Path(source).stem}.html" for source in self.sources}
        self.shared = {
            "titles": {self.pages[source]: notebooks.title(notebook) for source, notebook in self.sources.items()},
            "notebooks": {Path(source).stem[3:]: self.pages[source] for source in self.sources},
            "plays": plays,
            "repository": places.repository_url(),
            "mark": _MARK,
        }
        self.pages |= {"protocol.md": "protocol.html", "README.md": _INDEX}
        loader = PackageLoader("bnkeras.site")
        self.templates = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)

    def notebook(self, study):
        """The notebook of a study, or `None`."""
        return self.sources.get(f"notebooks/{studies.notebook(study)}")

    def write(self, file, template, title, **content):
        """Fill a template into a file of the site."""
        text = self.templates.get_template(template).render(**self.shared, **content, file=file, title=title)
        (self.into / file).write_text(text)


def _write_overview(site, rows, verdicts):
    found, papers = Counter(row["outcome"] for row in rows), {}
    for row in rows:
        papers.setdefault(row["paper"], []).append(row)
    counts = {word: found[word] for word in claims.OUTCOMES if found[word]}
    content = {"papers": papers, "count": len(rows), "counts": counts, "forest": _forest(site.into, verdicts)}
    site.write(_INDEX, "overview.html", "Overview", **content)


def _forest(into, verdicts):
    """The `Figure` of all headlines that were run; `None` where none was."""
    run = int(verdicts.low.notna().sum())
    if not run:
        return None
    caption, title = f"{run} of {len(verdicts)} claims", "Every headline with its 95 % interval"
    return figures.save(plots.forest(verdicts, caption=caption, title=title), into, "figures/forest.png")

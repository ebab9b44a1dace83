"""Notebooks with their stored outputs as HTML, by nbconvert."""

import re
from base64 import b64decode
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from bnkeras.site.markdown import renderer

_TEMPLATES = Path(__file__).with_name("templates")
_WIDGET = "application/vnd.jupyter.widget-view+json"


def read(path):
    """A notebook as it is shown: what comes before the first section is set-up, and bars of progress are left out."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.setdefault("language_info", {})["pygments_lexer"] = "python3"  # IPython's is no part of nbconvert
    opening = True
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
            cell.metadata["setup"] = opening
        elif cell.source.startswith("## "):
            opening = False
    return notebook


def title(notebook):
    """The heading that a notebook opens with, without a number of its own."""
    return re.sub(r"^# (\d+ · )?", "", notebook.cells[0].source.splitlines()[0])


def outputs(notebook, kind):
    """What the cells of a notebook have put out of a kind, such as `"text/html"`, in their order."""
    return [output.data[kind] for output in _outputs(notebook) if kind in output.get("data", {})]


def figures(notebook):
    """The figures of a notebook with a text for those who cannot see them: `(bytes of a PNG file, text)` in order."""
    shown = (output for output in _outputs(notebook) if "image/png" in output.get("data", {}))
    return [(b64decode(one.data["image/png"]), one.metadata.get("image/png", {}).get("alt", "")) for one in shown]


def _outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def body(notebook, pages):
    """The cells of a notebook as HTML; `pages` as in `markdown.renderer`."""
    exporter = HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    exporter.register_filter("markdown2html", renderer("notebooks", pages))
    return exporter.from_notebook_node(notebook)[0]


def code_style():
    """The style sheet of highlighted code."""
    return HtmlFormatter(style="default").get_style_defs(".highlight")

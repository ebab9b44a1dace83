"""Tables and figures in a notebook: readable on a phone, with a text beside each figure, long tables folded."""

import io

from IPython.display import HTML, Image, display

from bnkeras import plots
from bnkeras.streams import without_start_up_logs

__all__ = ["figure", "table", "without_start_up_logs"]


def table(frame, name, folded=""):
    """A table of strings as HTML that scrolls sideways where it is wider than the page.

    Args:
        frame: `DataFrame` of strings.
        name: Identifier within the notebook, so that the HTML is the same each time.
        folded: Words to click on to unfold the table. Defaults to `""`, not folded.
    """
    left = [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]
    html = frame.style.hide(axis="index").set_table_styles(left).to_html(table_uuid=name)
    html = f'<div style="overflow-x: auto">{html}</div>'
    return HTML(f"<details><summary>{folded}</summary>{html}</details>" if folded else html)


def figure(drawn):
    """Show a matplotlib `Figure`, with its title and caption as the text for those who cannot see it."""
    import matplotlib.pyplot as plt

    text = plots.alt_text(drawn)
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=90, bbox_inches="tight")  # itself, as whatever backend a kernel has
    plt.close(drawn)
    display(Image(file.getvalue()), metadata={"image/png": {"alt": text}})

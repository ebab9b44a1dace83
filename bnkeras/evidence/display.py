"""Tables and figures in a notebook: readable on a phone, with a text beside each figure, long tables folded."""

import html
import io

from IPython.display import HTML, Image, display

from bnkeras import plots
from bnkeras.streams import without_start_up_logs

__all__ = ["figure", "page", "table", "without_start_up_logs"]


def table(frame, name, folded=""):
    """A table of strings as HTML that scrolls sideways where it is wider than the page.

    Args:
        frame: `DataFrame` of strings.
        name: Identifier within the notebook, so that the HTML is the same each time.
        folded: Words to click on to unfold the table. Defaults to `""`, not folded.
    """
    left = [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]
    rows = frame.style.hide(axis="index").set_table_styles(left).to_html(table_uuid=name)
    rows = f'<div style="overflow-x: auto">{rows}</div>'
    return HTML(f"<details><summary>{folded}</summary>{rows}</details>" if folded else rows)


def page(text, title, height):
    """A whole page of HTML, with scripts of its own, in a frame of so many pixels."""
    frame = f'<iframe srcdoc="{html.escape(text)}" title="{title}" width="100%" height="{height}"></iframe>'
    return HTML(f"<div>{frame}</div>")


def figure(drawn):
    """Show a matplotlib `Figure`, with its title and caption as the text for those who cannot see it."""
    import matplotlib.pyplot as plt

    text = plots.alt_text(drawn)
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=90, bbox_inches="tight")  # itself, as whatever backend a kernel has
    plt.close(drawn)
    display(Image(_smaller(file)), metadata={"image/png": {"alt": text}})


def _smaller(file):
    """The bytes of a PNG file of a figure with 256 colours: a third of the size, and the same to the eye."""
    from PIL import Image as Pillow

    smaller = io.BytesIO()
    Pillow.open(file).convert("RGB").quantize(256, dither=Pillow.Dither.NONE).save(smaller, "png", optimize=True)
    return smaller.getvalue()

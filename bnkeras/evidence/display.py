"""Tables and figures in a notebook: readable on a phone, with a text beside each figure, long tables folded."""

from IPython.display import HTML, display


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


def figure(drawn, alt=""):
    """Show a figure, with its title and caption as the text for those who cannot see it.

    Args:
        drawn: A matplotlib `Figure`.
        alt: What else the figure shows. Defaults to `""`.
    """
    import matplotlib.pyplot as plt

    parts = (drawn.get_suptitle(), alt, drawn.get_supxlabel())
    text = ". ".join(" ".join(part.split()) for part in parts if part)
    display(drawn, metadata={"image/png": {"alt": text}})
    plt.close(drawn)

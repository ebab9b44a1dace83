"""Markdown as HTML that asks for nothing from outside: formulas as MathML, pictures of others as their texts."""

import posixpath
from html import escape
from urllib.parse import urlsplit

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from bnkeras import places


class _Renderer(IPythonRenderer):
    """Renders for a page whose source lies in the repository's `folder`; `pages` are files by source."""

    def __init__(self, folder, pages):
        super().__init__(escape=False)
        self.folder, self.pages = folder, pages

    def block_math(self, body):
        return f'<span class="math">{convert(body, display="block")}</span>'

    def inline_math(self, body):
        return convert(body)

    def image(self, text, url, title=None):
        return escape(text) if urlsplit(url).scheme else super().image(text, url, title)

    def link(self, text, url, title=None):
        return super().link(text, self._moved(url), title)

    def _moved(self, url):
        """Where a link of the source leads to in the site: a page of it, or else a file of the repository."""
        parts = urlsplit(url)
        if parts.scheme or not parts.path:
            return url
        source = posixpath.normpath(posixpath.join(self.folder, parts.path))
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return (self.pages.get(source) or f"{places.repository_url()}/blob/main/{source}") + fragment


def renderer(folder, pages):
    """Return a function from Markdown to HTML.

    Args:
        folder: Folder of the source within the repository, which its links are relative to.
        pages: `{source: file}`, the pages of the site by their source within the repository.
    """
    return lambda text: MarkdownWithMath(renderer=_Renderer(folder, pages)).render(text)

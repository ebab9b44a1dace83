"""A static site of the evidence and of all notebooks: plain files that ask for nothing from outside."""

from bnkeras.site.pages import build

__all__ = ["build"]

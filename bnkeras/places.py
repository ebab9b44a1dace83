"""Where the project's own files lie: beside the package in a checkout, inside of it where a wheel was installed."""

import importlib.metadata
import tomllib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def checkout():
    """Folder of the checkout that the package is run from, or `None` where a wheel was installed."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").exists() else None


def shipped(name):
    """Path of a file or folder of the project, such as `notebooks`: that of the checkout, else the wheel's copy."""
    return (checkout() or _PACKAGE / "shipped") / name


def repository_url():
    """Address of the project's repository, as `pyproject.toml` gives it."""
    root = checkout()
    if root:
        return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    urls = importlib.metadata.metadata("bnkeras").get_all("Project-URL")
    return next(url for name, url in (line.split(", ") for line in urls) if name == "Repository")

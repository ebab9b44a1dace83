"""Puts what lies beside the package into a wheel as well, where `bnkeras.places.shipped` finds it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("notebooks", "data/results", "protocol.md")


class BuildWithShipped(build_py):
    """Build the package, with copies in `bnkeras/shipped`; an editable installation needs none."""

    def run(self):
        """Run the command."""
        super().run()
        for name in () if self.editable_mode else SHIPPED:
            source, target = Path(name), Path(self.build_lib, "bnkeras/shipped", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
            else:
                shutil.copy2(source, target)


setup(cmdclass={"build_py": BuildWithShipped})

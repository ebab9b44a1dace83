"""What all benchmarks share: `--json`, the file that it names, with the figures that the README quotes."""

import argparse
import datetime
import json
from pathlib import Path

from bnkeras.sweep.environment import available_cores, environment


def command_line(description):
    """The parser of a benchmark's command line, with `--json`; `description` is the module's docstring."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser


def figure(what, value, unit, target):
    """One line of the README: what was measured, the value with its unit, and what was aimed at."""
    return {"what": what, "value": value, "unit": unit, "target": target}


def write(path, figures, details, measured_in=None):
    """Write figures and details as JSON, with date, cores, processor and versions; nothing where `path` is `None`.

    `measured_in` is the `environment()` of another process, where that has measured; by default this one has.
    """
    if path is None:
        return
    about = {"date": datetime.date.today().isoformat(), "cores": available_cores(), **(measured_in or environment())}
    path.write_text(json.dumps({"about": about, "figures": list(figures), "details": details}, indent=1) + "\n")

"""The file that a benchmark writes with `--json`: the figures that the README quotes, where from, and all details."""

import datetime
import json
from pathlib import Path

from bnkeras.sweep.environment import available_cores, environment


def figure(what, value, unit, target):
    """One line of the README: what was measured, the value with its unit, and what was aimed at."""
    return {"what": what, "value": value, "unit": unit, "target": target}


def write(path, figures, details, measured_in=None):
    """Write figures and details as JSON, with date, cores, processor and versions.

    `measured_in` is the `environment()` of another process, where that has measured; by default this one has.
    """
    about = {"date": datetime.date.today().isoformat(), "cores": available_cores(), **(measured_in or environment())}
    Path(path).write_text(json.dumps({"about": about, "figures": figures, "details": details}, indent=1) + "\n")

"""Command line: `python -m bnkeras list | run STUDY | report`."""

import argparse
import datetime
import sys
import time
from pathlib import Path

from bnkeras import results, studies


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message):
        """Print the message to standard error and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser():
    """The command line's arguments."""
    top = Parser(prog="bnkeras", description="Check what four papers say about batch normalization.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    commands.add_parser("list", help="studies, their scales, and what is published")
    run = commands.add_parser("run", help="run a study and judge its claims")
    run.add_argument("study", choices=studies.names(), metavar="STUDY", help=", ".join(studies.names()))
    run.add_argument("--scale", choices=results.SCALES, default="quick", help="default: %(default)s")
    run.add_argument("--jobs", type=_positive, metavar="N", help="processes, one thread each; default: one a core")
    run.add_argument("--out", type=Path, default=Path("data/runs"), metavar="DIR", help="default: %(default)s")
    run.add_argument("--cluster", metavar="ADDRESS", help="Dask scheduler to run on, such as tcp://host:8786")
    run.add_argument("--publish", action="store_true", help=f"write the tables to {results.folder().name}/ as well")
    commands.add_parser("report", help="verdicts of all published results")
    return top


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def main(argv=None):
    """Run the command line; return its exit code.

    That is 0, or with one line on standard error: 2 for what the user has to mend, 1 for runs that failed, 130 after
    an interrupt.
    """
    from bnkeras.datasets.common import DataError

    arguments = parser().parse_args(argv)
    try:
        {"list": list_studies, "run": run_study, "report": print_report}[arguments.command](arguments)
    except (DataError, OSError) as error:
        return _fail(error, 2)
    except RuntimeError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        print("bnkeras: interrupted; the runs that had finished are kept, the same command goes on", file=sys.stderr)
        return 130
    return 0


def _fail(message, code):
    print(f"bnkeras: {' '.join(str(message).split())}", file=sys.stderr)
    return code


def list_studies(arguments):
    """Print every study with its scales and what is published of it."""
    for name in studies.names():
        study = studies.get(name)
        print(f"{name}: {study.__doc__.splitlines()[0]}")
        for scale, settings in study.SCALES.items():
            published = " (published)" if scale in results.scales(name) else ""
            words = ", ".join(f"{key} {value}" for key, value in settings.items())
            print(f"  {scale:7} {len(study.runs(scale)):4} runs: {words}{published}")


def run_study(arguments):
    """Train the runs of a study, judge its claims, draw its figures and, if asked, publish its tables."""
    from bnkeras import claims, report, sweep

    study, start = studies.get(arguments.study), time.perf_counter()
    if arguments.scale not in study.SCALES:
        sys.exit(_fail(f"{arguments.study} has no scale {arguments.scale!r}, only {', '.join(study.SCALES)}", 2))
    runs = study.runs(arguments.scale)
    data = _load_early({run.data for run in runs})
    executor = sweep.cluster_executor(arguments.cluster) if arguments.cluster else None
    records = sweep.run_all(runs, executor=executor, jobs=arguments.jobs, out=arguments.out)
    tables = sweep.tables(records, on_failed="raise")
    tables = {name: table.assign(scale=arguments.scale) for name, table in tables.items()}
    print(f"\n{report.heading(arguments.study, arguments.scale, tables)}")
    print(report.text(report.verdict_table(claims.judge(study, tables))))
    for path in _save_figures(study.figures(tables), arguments.out / arguments.study / arguments.scale):
        print(f"figure: {path}")
    if arguments.publish:
        about = _about(records, data, time.perf_counter() - start)
        for path in results.publish(results.Results(arguments.study, arguments.scale, tables, about)):
            print(f"published: {path}")


def _load_early(names):
    """Load each data set once before any training, so that a missing one is found out and downloaded only once."""
    from bnkeras import datasets

    return {name: {"source": data.source, "sha256": data.sha256} for name in names for data in [datasets.load(name)]}


def _about(records, data, seconds):
    training = sum(record["seconds"] for record in records)
    wall = max(seconds, _busy(records))  # the longer where an earlier call has trained some of the runs
    return {
        "date": datetime.date.today().isoformat(),
        "runs": len(records),
        "seconds": {"wall": round(wall, 1), "all runs": round(training, 1)},
        "data": data,
        "environments": [dict(pairs) for pairs in sorted({tuple(r["environment"].items()) for r in records})],
    }


def _busy(records):
    """Seconds in which at least one of the runs was being trained."""
    total = end = 0.0
    starts = ((datetime.datetime.fromisoformat(r["started"]).timestamp(), r["seconds"]) for r in records)
    for start, seconds in sorted(starts):
        total += max(start + seconds - max(start, end), 0.0)
        end = max(end, start + seconds)
    return total


def _save_figures(figures, folder):
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=90)
        plt.close(figure)
        yield path


def print_report(arguments):
    """Print the verdicts of all published results, each study at its largest scale."""
    from bnkeras import report

    found = list(report.published())
    for result, verdicts in found:
        print(report.heading(result.study, result.scale, result.tables))
        print(f"\n{report.text(report.verdict_table(verdicts))}\n")
    if not found:
        print(f"nothing is published in {results.folder()}")


if __name__ == "__main__":
    sys.exit(main())

"""Command line: `python -m bnkeras list | run STUDY | report`."""

import argparse
import datetime
import sys
import time
from pathlib import Path

from bnkeras import studies
from bnkeras.evidence import results


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
    run.add_argument(
        "--until-settled", action="store_true", help="add seeds until every headline's interval is narrow enough"
    )
    report = commands.add_parser("report", help="the verdicts of all published results, one line a claim")
    report.add_argument("--all", action="store_true", help="what else was explored as well")
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
    except (DataError, results.ResultsError, OSError) as error:
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
    from bnkeras.evidence import claims, report

    study = studies.get(arguments.study)
    if arguments.scale not in study.SCALES:
        sys.exit(_fail(f"{arguments.study} has no scale {arguments.scale!r}, only {', '.join(study.SCALES)}", 2))
    found = _trained(study, arguments)
    print(f"\n{report.heading(found)}")
    print(report.text(report.headline_table(report.corrected(claims.judge(study.CLAIMS, found.tables)))))
    for path in _save_figures(study.figures(found), arguments.out / arguments.study / arguments.scale):
        print(f"figure: {path}")
    if arguments.publish:
        for path in results.publish(found):
            print(f"published: {path}")


def _trained(study, arguments):
    """The results of a study, with as many seeds as its headlines need where that was asked for."""
    from bnkeras import sweep
    from bnkeras.evidence import claims, seeds

    counts, start = {}, time.perf_counter()
    while True:
        runs = study.runs(arguments.scale, counts)
        data = _load_early({run.data for run in runs})
        executor = sweep.cluster_executor(arguments.cluster) if arguments.cluster else None
        records = sweep.run_all(runs, executor=executor, jobs=arguments.jobs, out=arguments.out)
        tables = sweep.tables(records, on_failed="raise")
        about = _about(records, data, time.perf_counter() - start)
        verdicts = claims.judge(study.CLAIMS, tables)
        counts = seeds.more_seeds(verdicts, counts, getattr(study, "CAP", seeds.CAP))
        if not arguments.until_settled or counts is None:
            return results.Results(arguments.study, arguments.scale, tables, about)


def _load_early(names):
    """Load each data set once before any training, so that a missing one is found out and downloaded only once."""
    from bnkeras import datasets

    return {name: {"source": data.source, "sha256": data.sha256} for name in names for data in [datasets.load(name)]}


def _about(records, data, seconds):
    wall = max(seconds, _busy(records))  # the longer where an earlier call has trained some of the runs
    started = min(record["started"] for record in records)
    return {
        "started": started,
        "protocol": results.protocol(started),
        "runs": len(records),
        "seconds": {"wall": round(wall, 1), "all runs": round(sum(record["seconds"] for record in records), 1)},
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
    """Print the verdicts of all published results, one line a claim, and with `--all` what else was explored."""
    from bnkeras.evidence import claims, report

    found = list(studies.published())
    if not found:
        print(f"nothing is published in {results.folder()}")
        return
    print(report.text(report.headline_table(studies.headlines())))
    for result in found:
        print(f"\n{report.heading(result)}")
        if arguments.all:
            explored = claims.explore(studies.get(result.study).CLAIMS, result.tables)
            print(report.text(report.explored_table(explored)))


if __name__ == "__main__":
    sys.exit(main())

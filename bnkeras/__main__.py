"""Command line: `python -m bnkeras list | run STUDY | report | site DIR`."""

import argparse
import os
import signal
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

from bnkeras.streams import complete_streams, fail, flushed, show_warning

# All else is imported inside `main`, which answers an interrupt in one line.

_BACKENDS = ("tensorflow", "jax")


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message):
        """Print the message to standard error and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser():
    """The command line's arguments."""
    from bnkeras import studies
    from bnkeras.evidence import results

    top = Parser(prog="bnkeras", description="Check what four papers say about batch normalization.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    commands.add_parser("list", help="studies, their scales, and what is published")
    run = commands.add_parser("run", help="run a study and judge its claims")
    run.add_argument("study", choices=studies.names(), metavar="STUDY", help=", ".join(studies.names()))
    run.add_argument("--scale", choices=results.SCALES, default="quick", help="default: %(default)s")
    run.add_argument("--jobs", type=_positive, metavar="N", help="processes, one thread each; default: one a core")
    run.add_argument("--out", type=_folder, default=Path("data/runs"), metavar="DIR", help="default: %(default)s")
    run.add_argument("--cluster", metavar="ADDRESS", help="Dask scheduler to run on, such as tcp://host:8786")
    run.add_argument("--publish", action="store_true", help="write the tables to data/results/ as well")
    which = run.add_mutually_exclusive_group()
    settled = "add seeds until every headline's interval is narrow enough"
    which.add_argument("--until-settled", action="store_true", help=settled)
    which.add_argument("--finished", action="store_true", help="train nothing: judge the runs that have finished")
    report = commands.add_parser("report", help="the verdicts of all published results, one line a claim")
    report.add_argument("--all", action="store_true", help="what else was explored as well")
    site = commands.add_parser("site", help="write the evidence and all notebooks as pages that need no network")
    site.add_argument("folder", type=_folder, metavar="DIR", help="made where it is not there, or that of a site")
    return top


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _folder(text):
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return Path(text)


def main(argv=None):
    """Run the command line; return its exit code.

    That is 0, or with one line on standard error: 2 for what the user has to mend, 1 for runs that failed, 130 after
    an interrupt; and without a word 141 where whoever reads the output has left.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        complete_streams()
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            code = _run(argv)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one would show a traceback on the way out
        # One that has come while an extension was importing is still on CPython's mind, which would end by the signal.
        exec("")
        kept = "; the runs that had finished are kept, the same command goes on" if argv[:1] == ["run"] else ""
        code = fail(f"interrupted{kept}", 130)
    return flushed(code)


def _run(argv):
    try:
        arguments = parser().parse_args(argv)
        commands = {"list": list_studies, "run": run_study, "report": print_report, "site": write_site}
        return commands[arguments.command](arguments) or 0
    except SystemExit as end:
        return end.code
    except BrokenPipeError:
        return 141
    except Exception as error:
        from bnkeras.datasets.common import DataError
        from bnkeras.evidence.results import ResultsError

        if isinstance(error, (DataError, ResultsError, OSError)):
            return fail(error, 2)
        if isinstance(error, RuntimeError):
            return fail(error, 1)
        raise


def list_studies(arguments):
    """Print every study with its scales and what is published of it."""
    from bnkeras import studies
    from bnkeras.evidence import results

    for name in studies.names():
        study = studies.get(name)
        first, *_ = (study.__doc__ or "").splitlines() or [""]
        print(f"{name}: {first}")
        for scale, settings in study.SCALES.items():
            published = " (published)" if scale in results.scales(name) else ""
            words = ", ".join(f"{key} {value}" for key, value in settings.items())
            print(f"  {scale:7} {len(study.runs(scale)):4} runs: {words}{published}")


def run_study(arguments):
    """Train the runs of a study, judge its claims, draw its figures and, if asked, publish its tables."""
    os.environ["MPLBACKEND"] = "Agg"  # figures go to files, whatever the user's own choice can do here
    from bnkeras import running, studies
    from bnkeras.evidence import claims, report, results

    study = studies.get(arguments.study)
    if arguments.scale not in study.SCALES:
        return fail(f"{arguments.study} has no scale {arguments.scale!r}, only {', '.join(study.SCALES)}", 2)
    _check_backend()
    data = running.load_data(study.runs(arguments.scale))
    folder = _made(arguments.out / arguments.study / arguments.scale)
    if arguments.publish:
        results.check_writable(arguments.study)
    options = {name: getattr(arguments, name) for name in ("finished", "cluster", "jobs", "until_settled")}
    found = running.trained(arguments.study, arguments.scale, data, arguments.out, **options)
    verdicts = report.headline_table(report.corrected(claims.judge(study.CLAIMS, found.tables)))
    # Written first: whoever reads the output may leave.
    published = results.publish(found) if arguments.publish else []
    drawn = [_save(figure, folder / f"{name}.png") for name, figure in _figures(study, found).items()]
    print(f"\n{report.heading(found)}", report.text(verdicts), sep="\n")
    for word, paths in (("runs", [folder.parent]), ("published", published), ("figure", drawn)):
        for path in paths:
            print(f"{word}: {path}")
    return 0


def _check_backend():
    from bnkeras.devices import backend

    name = backend()
    if name not in _BACKENDS or not find_spec(name):
        needed = f"must be {' or '.join(_BACKENDS)}, and installed"
        raise OSError(f"Keras's backend, KERAS_BACKEND or else in keras.json, {needed}. Received: {name!r}")


def _made(folder):
    """The folder, made before any run is trained."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.filename!r} ({error.strerror})"
        raise OSError(f"--out must be a folder to write to. Received: {reason}") from error
    return folder


def _figures(study, found):
    """The figures of a study, or one that says that there is nothing to draw."""
    from bnkeras import plots
    from bnkeras.evidence import claims

    if claims.all_diverged(found.tables):
        return {"diverged": plots.blank("every run diverged", caption=plots.describe(found))}
    return study.figures(found)


def _save(figure, path):
    """Write a figure to a new file that then takes the name, so that no link there is written through."""
    import matplotlib.pyplot as plt

    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(part, "xb") as file:
            figure.savefig(file, dpi=90, format="png")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        plt.close(figure)
    return path


def print_report(arguments):
    """Print the verdicts of all published results, one line a claim, and with `--all` what else was explored.

    Results that are damaged, or that the claims no longer fit, are named and left out; the exit code is then 2.
    """
    from bnkeras import studies
    from bnkeras.evidence import claims, report, results

    found, errors = _published()
    if found:
        print(report.text(report.headline_table(studies.headlines([verdicts for _, verdicts in found]))))
    elif not errors:
        print(f"nothing is published in {results.folder()}")
    for result, _ in found:
        print(f"\n{report.heading(result)}")
        if arguments.all:
            explored = claims.explore(studies.get(result.study).CLAIMS, result.tables)
            print(report.text(report.explored_table(explored)))
    for error in errors:
        fail(f"{error}; the study is left out", 2)
    return 2 if errors else 0


def write_site(arguments):
    """Write the evidence and all notebooks as static pages."""
    missing = [name for name in ("nbconvert", "latex2mathml") if not find_spec(name)]
    if missing:
        raise OSError(f'the site needs {" and ".join(missing)}: pip install "bnkeras[site]"')
    os.environ["MPLBACKEND"] = "Agg"
    from bnkeras import site

    print(f"site: {site.build(arguments.folder)}")


def _published():
    """The published results with their verdicts, and an error for each study of which there are none."""
    from bnkeras import studies
    from bnkeras.evidence import results

    found, errors = [], []
    for name in studies.names():
        try:
            if results.scales(name):
                result = results.read(name)
                found.append((result, studies.judged(result)))
        except results.ResultsError as error:
            errors.append(error)
        except Exception as error:  # of as many kinds as there are ways to look something up in a table
            errors.append(f"{results.folder() / name} is not what the claims need ({error!r}): publish it again")
    return found, errors


if __name__ == "__main__":
    sys.exit(main())

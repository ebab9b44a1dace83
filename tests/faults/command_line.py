"""What the command line does when it is misused: a row each.

python tests/faults/command_line.py
python tests/faults/command_line.py Ctrl-C out    # only misuses whose name contains one of the words
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults import helpers, table
from faults.helpers import check
from faults.results import STUDIES, made_up

from bnkeras.evidence import results

ROOT = Path(__file__).parents[2]
BAR = re.compile(r"\d+%\|.*run")


def checkout(folder):
    """A checkout of the project in a folder, with the toy studies in place of the real ones; returns its results."""
    root = folder / "checkout"
    if not root.exists():
        shutil.copytree(ROOT / "bnkeras", root / "bnkeras", ignore=shutil.ignore_patterns("studies"))
        (root / "bnkeras" / "studies").mkdir()
        for path in (ROOT / "bnkeras/studies/__init__.py", *(ROOT / "tests/faults/studies").glob("*.py")):
            shutil.copy2(path, root / "bnkeras" / "studies")
        shutil.copy2(ROOT / "pyproject.toml", root)
        (folder / "work").mkdir()
        for study in STUDIES:
            results.publish(made_up(study), root / "data/results")
    return root / "data/results"


def start(folder, *arguments, env=None, prefix=(), site="", shell="", **options):
    """Starts the command line in the folder `work`: in a shell, as `"$@" SHELL`, where that is given."""
    checkout(folder)
    (folder / "checkout" / "sitecustomize.py").write_text(site)
    command = [*prefix, sys.executable, "-m", "bnkeras", *arguments]
    if shell:
        command = ["bash", "-o", "pipefail", "-c", f'"$@" {shell}', "bash", *command]
    names = {"BNKERAS_DATA", "KERAS_BACKEND", "MPLBACKEND"}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    env = {**inherited, "PYTHONPATH": str(folder / "checkout"), **(env or {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{"env": env, "cwd": folder / "work", **pipes, **options})


def ended(process):
    """Exit code, output and lines of standard error, but for the progress bar's."""
    out, err = (stream.decode(errors="replace") for stream in process.communicate(timeout=120))
    check("Traceback" not in err and "Exception ignored" not in err, err)
    return (
        process.returncode,
        out,
        [line for line in re.split(r"[\r\n]+", err) if line.strip() and not BAR.search(line)],
    )


def refused(*arguments, says="", code=2, prepare=None, **options):
    """A command that ends with one line on standard error, before any run is trained."""

    def fault(folder):
        checkout(folder)
        prepare and prepare(folder)
        found, _, lines = ended(start(folder, *arguments, **options))
        check(
            found == code and len(lines) == 1 and lines[0].startswith("bnkeras") and says in lines[0],
            f"{found} {lines}",
        )
        check(not records(folder), "it trained")
        return f"code {found}: {lines[0]}"

    return fault


def works(*arguments, shows="", prepare=None, code=0, words="as without", then=lambda folder: "", **options):
    """A command that does what it should, without a word on standard error."""

    def fault(folder):
        checkout(folder)
        prepare and prepare(folder)
        found, out, lines = ended(start(folder, *arguments, **options))
        check((found, lines) == (code, []) and shows in out, f"{found} {lines} {out}")
        return f"code {found}: {words} {then(folder) or ''}"

    return fault


def records(folder):
    return [*folder.glob("*/data/runs/*/*.json"), *folder.glob("out/*/*.json")]


def complete(folder):
    """Checks that a run has left its records and its figure."""
    check(len(records(folder)) == 20, f"{len(records(folder))} records")
    (figure,) = folder.glob("**/toy_one/quick/*.png")
    check(figure.read_bytes().startswith(b"\x89PNG"), "no figure")


def published(folder):
    complete(folder)
    check(results.scales("toy_one", folder / "checkout/data/results") == ["quick", "laptop"], "not published")


SAY_SO = """
import contextlib, os
with contextlib.suppress(OSError):  # in a worker, which does not have the pipe
    os.write({}, b"x")
"""


def interrupted(*arguments, delay, times=1):
    """Ctrl-C, as from a terminal, some seconds after Python has begun with the command."""

    def fault(folder):
        ready, mine = os.pipe()
        options = {"start_new_session": True, "pass_fds": [mine], "site": SAY_SO.format(mine)}
        handled = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        process = start(folder, *arguments, env={"TOY": "pause"}, preexec_fn=handled, **options)
        os.read(ready, 1)
        time.sleep(delay)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        code, _, lines = ended(process)
        check(code == 130 and len(lines) == 1 and "interrupted" in lines[0], f"{code} {lines}")
        if arguments[0] == "run":
            code, out, lines = ended(start(folder, *arguments))
            check((code, lines) == (0, []) and "Y1" in out, f"then {code} {lines}")
            complete(folder)
        return "code 130, one line"

    return fault


def linked_figure(folder):
    place = folder / "work/data/runs/toy_one/quick"
    place.mkdir(parents=True)
    (folder / "mine").write_text("mine")
    (place / "accuracy.png").symlink_to(folder / "mine")


def not_followed(folder):
    complete(folder)
    check((folder / "mine").read_text() == "mine", "it was written through")


def damaged_record(folder):
    ended(start(folder, *TOY))
    path = records(folder)[0]
    path.write_text(path.read_text()[:100])
    code, out, lines = ended(start(folder, *TOY))
    check(code == 0 and len(lines) == 1 and path.name in lines[0] and "Y1" in out, f"{code} {lines}")
    return lines[0]


def at_once(folder):
    both = [start(folder, *TOY, env={"TOY": "pause"}) for _ in range(2)]
    ends = [ended(process) for process in both]
    check([(code, lines) for code, _, lines in ends] == [(0, [])] * 2, str(ends))
    check(ends[0][1] == ends[1][1], "other verdicts")
    complete(folder)
    return "both end with the same verdicts"


def diverged(folder):
    code, out, lines = ended(start(folder, *TOY, env={"TOY": "diverge"}))
    check((code, lines) == (0, []) and "not enough runs" in out, f"{code} {lines} {out}")
    complete(folder)
    return "verdict: not enough runs; the figure is drawn"


def failing(folder):
    code, _, lines = ended(start(folder, *TOY, env={"TOY": "raise"}))
    check(code == 1 and len(lines) == 1 and "20 of 20 runs failed" in lines[0], f"{code} {lines}")
    return lines[0]


def full_disk(folder):
    checkout(folder)
    out = folder / "work/data/runs"
    out.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1040k", "tmpfs", out], capture_output=True).returncode:
        return "not tried: this user may not mount a file system"
    try:
        code, _, lines = ended(start(folder, *TOY))
        check(code == 2 and len(lines) == 1 and "No space left" in lines[0], f"{code} {lines}")
        return lines[0]
    finally:
        subprocess.run(["umount", out], check=True)


def silent_server(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        return refused("run", "toy_one", "--cluster", address, says=address)(folder)


def left_early(command):
    def fault(folder):
        code, out, lines = ended(start(folder, command, shell="| head -1"))
        check(code in (0, 141) and not lines and out.count("\n") == 1, f"{code} {lines} {out}")
        return "a line; quiet, as other programs"

    return fault


def locked(name):
    """Returns what takes the right to write into a folder."""

    def prepare(folder):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o555)

    return prepare


def read_only_checkout(folder):
    for path in (folder / "checkout", *(folder / "checkout").rglob("*")):
        if path.is_dir():
            path.chmod(0o555)


def with_file(name):
    """Returns what puts a file where a folder should be."""

    def prepare(folder):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")

    return prepare


TOY = ("run", "toy_one", "--jobs", "1")
HERE = {"prefix": helpers.UNPRIVILEGED}
LAPTOP = (*TOY, "--scale", "laptop")
MISSING = "import sys; sys.modules[{!r}] = None"
LINE, RIGHT = "one line, code 2", "right"
POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def data(value, prepare=None, **options):
    return refused(*LAPTOP, says="BNKERAS_DATA", env={"BNKERAS_DATA": value}, prepare=prepare, **options)


def unreadable(folder):
    (folder / "work/locked").mkdir(mode=0)


WORDS = {
    "no command": refused(says="command"),
    "unknown command": refused("publish", says="'publish'"),
    "unknown study": refused("run", "toys", says="'toys'"),
    "two studies": refused(*TOY, "toy_two", says="toy_two"),
    "no study": refused("run", says="STUDY"),
    "a study that is no text": refused("run", b"\xff\xfe", says="invalid choice"),
    "unknown scale": refused(*TOY, "--scale", "huge", says="'huge'"),
    "a scale that the study lacks": refused(*TOY, "--scale", "paper", says="'paper'"),
    "--scale without a value": refused(*TOY, "--scale", says="--scale"),
    "unknown option": refused(*TOY, "--fast", says="--fast"),
    **{f"--jobs {value!r}": refused(*TOY, "--jobs", value, says=repr(value)) for value in ("0", "-1", "x", "1.5", "")},
    "--out ''": refused(*TOY, "--out", "", says="''"),
    "--cluster ''": refused(*TOY, "--cluster", "", says="address=''"),
    "KERAS_BACKEND unknown": refused(*TOY, says="'nonsense'", env={"KERAS_BACKEND": "nonsense"}),
    "KERAS_BACKEND not installed": refused(
        *TOY, says="'jax'", env={"KERAS_BACKEND": "jax"}, site=MISSING.format("jax")
    ),
    "KERAS_BACKEND not supported": refused(*TOY, says="'torch'", env={"KERAS_BACKEND": "torch"}),
    "BNKERAS_DATA a file": data("file", lambda folder: (folder / "work/file").touch()),
    "BNKERAS_DATA missing": data("no/where"),
    "BNKERAS_DATA empty": data(""),
    "BNKERAS_DATA unreadable": data("locked", unreadable, **HERE),
}
PLACES = {
    "--out a file": refused(*TOY, "--out", "file", says="file", prepare=with_file("work/file")),
    "--out below a file": refused(*TOY, "--out", "file/out", says="file", prepare=with_file("work/file")),
    "--out too long": refused(*TOY, "--out", "x" * 300, says="xxx"),
    "--out read-only": refused(*TOY, "--out", "ro", says="ro", prepare=locked("work/ro"), **HERE),
    "a read-only folder": refused(*TOY, says="data", prepare=locked("work"), **HERE),
    "--publish, read-only": refused(
        *TOY, "--publish", says="published in", prepare=locked("checkout/data/results/toy_one"), **HERE
    ),
    "--publish, a file": refused(
        *TOY, "--publish", says="published in", prepare=with_file("checkout/data/results/toy_one")
    ),
    "a full disk": full_disk,
    "a cluster where nobody answers": refused(*TOY, "--cluster", "tcp://127.0.0.1:9", says="tcp://127.0.0.1:9"),
    "a cluster that is none": refused(*TOY, "--cluster", "nonsense://x", says="nonsense://x"),
    "a cluster that is silent": silent_server,
    "--cluster without distributed": refused(
        *TOY, "--cluster", "tcp://127.0.0.1:9", says="distributed", site=MISSING.format("distributed")
    ),
}
RIGHTS = {
    "report | head -1": left_early("report"),
    "list | head -1": left_early("list"),
    "list | true": works("list", shell="| true", code=141, words="quiet, as other programs"),
    "run --publish | true": works(*TOY, "--publish", shell="| true", code=141, words="all written", then=published),
    "report >&-": works("report", shell=">&-"),
    "run with all streams closed": works(*TOY, "--publish", shell="<&- >&- 2>&-", then=published),
    "list <&-": works("list", shell="<&-", shows="toy_two"),
    "MPLBACKEND unknown": works(*TOY, shows="Y1", env={"MPLBACKEND": "nonsense"}, then=complete),
    "MPLBACKEND without a screen": works(*TOY, shows="Y1", env={"MPLBACKEND": "TkAgg"}, then=complete),
    "BNKERAS_DATA missing, not needed": works(*TOY, shows="Y1", env={"BNKERAS_DATA": "no/where"}, then=complete),
    "PYTHONIOENCODING=ascii": works("list", shows="Z1 \\xb1", env={"PYTHONIOENCODING": "ascii"}),
    "LANG=C": works(*TOY, shows="Y1", env=POSIX, then=complete),
    "COLUMNS=1": works("--help", shows="report", env={"COLUMNS": "1"}),
    "COLUMNS=x": works("run", "--help", shows="STUDY", env={"COLUMNS": "x"}),
    "PYTHONOPTIMIZE=2": works("list", shows="toy_two", env={"PYTHONOPTIMIZE": "2"}),
    "no git": works(*TOY, "--publish", shows="Y1", env={"PATH": ""}, then=published),
    "a read-only checkout": works(*TOY, shows="Y1", prepare=read_only_checkout, then=complete, **HERE),
    "report of a read-only checkout": works("report", shows="Z1", prepare=read_only_checkout, **HERE),
    "--jobs 1000": works(*TOY, "--jobs", "1000", shows="Y1", then=complete),
    "a figure that is a planted link": works(*TOY, shows="Y1", prepare=linked_figure, then=not_followed),
    "every run diverges": diverged,
    "two at once": at_once,
}
CTRL_C = {
    **{f"Ctrl-C after {s} s": interrupted(*TOY, delay=s) for s in (0.1, 0.2, 0.3, 0.4, 0.5, 2)},
    "Ctrl-C after 0.3 s, 5 times": interrupted(*TOY, delay=0.3, times=5),
    "Ctrl-C after 2 s, 5 times": interrupted(*TOY, delay=2, times=5),
    "report, Ctrl-C after 0.2 s": interrupted("report", delay=0.2),
}
FAULTS = {
    f"command: {name}": (expected, fault)
    for expected, faults in ((LINE, WORDS | PLACES), (RIGHT, RIGHTS), ("code 130, the same command goes on", CTRL_C))
    for name, fault in faults.items()
} | {
    "command: output to a full device": (LINE, refused("report", says="No space left", shell="> /dev/full")),
    "command: every run fails": ("one line, code 1", failing),
    "command: a damaged record": ("one line, that run trained again", damaged_record),
}


if __name__ == "__main__":
    table.main(FAULTS)

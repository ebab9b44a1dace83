"""What happens to published results that are damaged, and to those that are being published: a row each.

python tests/faults/results.py
python tests/faults/results.py disk kill      # only faults whose name contains one of the words
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults import helpers, table
from faults.helpers import check, one_line

from bnkeras import __main__, studies
from bnkeras.evidence import results
from bnkeras.evidence.results import Results

STUDIES = ("toy_one", "toy_two")
NAMED = "named, the other study reported, code 2"
OLD_OR_NEW = "the old results or the new, whole; the next publication leaves nothing else"


def made_up(study="toy_one", scale="laptop", value=0.5, rows=20):
    kinds, seeds = ["none", "bn"] * (rows // 2), [100 + number // 2 for number in range(rows)]
    accuracy = [value + 0.1 * (kind == "bn") + 0.001 * seed for kind, seed in zip(kinds, seeds, strict=True)]
    epochs = {"normalization": kinds, "seed": seeds, "epoch": 1, "test_accuracy": accuracy, "source": "toys"}
    auc = {"seed": [0], "class": ["a"], "auc": [value]}
    return Results(study, scale, {"epochs": pd.DataFrame(epochs), "auc": pd.DataFrame(auc)}, {"runs": rows})


def report(folder):
    """Code, output and errors of `report` where `folder` holds the results of the toy studies."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(results, "folder", return_value=Path(folder)),
        mock.patch.object(studies, "__path__", [str(Path(__file__).parent / "studies")]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = __main__.main(["report"])
    return code, out.getvalue(), err.getvalue()


def unprivileged_report(folder):
    """As `report`, in a process to which permissions apply."""
    code = "import json, sys; from faults.results import report; print(json.dumps(report(sys.argv[1])))"
    answer = helpers.python(code, folder, stdout=subprocess.PIPE, prefix=helpers.UNPRIVILEGED).communicate(timeout=60)[
        0
    ]
    return json.loads(answer)


def value(folder, study="toy_one", scale="laptop"):
    return round(results.read(study, scale, folder).tables["auc"]["auc"][0], 6)


def damaged(damage, named, reported=report):
    """Damaged results of one study: its file is named, and the other study is reported."""

    def fault(folder):
        for study in STUDIES:
            results.publish(made_up(study), folder)
        results.publish(made_up(scale="quick", value=0.25), folder)
        place = folder / "toy_one" / "laptop"
        damage(place)
        code, out, err = reported(folder)
        with contextlib.suppress(OSError):
            place.chmod(0o755)
        check("toy_two, scale laptop" in out and "Z1  " in out, f"the other study is missing: {out}")
        if named is None:
            check((code, err) == (0, "") and "toy_one, scale laptop" in out, f"code {code}: {err}")
            return "as published, code 0"
        check(code == 2 and "toy_one, scale" not in out, f"code {code}: {out}")
        check(err.count("\n") == 1 and str(folder / "toy_one" / named) in err, err)
        return err.removeprefix("bnkeras: ")

    return fault


def content(change):
    """Returns a damage of a file's bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def replaced(make):
    """Returns a damage that puts something else in a file's place."""

    def damage(path):
        path.unlink()
        make(path)

    return damage


def about(change, seal=False):
    """Returns a damage that changes `about.json`, whose checksum fits again with `seal`."""

    def damage(place):
        path = place / "about.json"
        described = json.loads(path.read_text())
        change(described)
        if seal:
            described.pop("sha256")
            described["sha256"] = results._sha256_of(described)
        path.write_text(json.dumps(described))

    return damage


def sealed_table(text):
    """Returns a damage that puts another table in place, whose checksums fit."""

    def damage(place):
        (place / "epochs.csv").write_text(text)
        sha256 = results.hashlib.sha256(text.encode()).hexdigest()
        about(lambda described: described["files"].update({"epochs.csv": sha256}), seal=True)(place)

    return damage


def folder_of(study, scale):
    """Returns a damage that puts the results of another study or scale in place."""

    def damage(place):
        shutil.rmtree(place)
        shutil.copytree(place.parents[1] / study / scale, place)

    return damage


def exchanged(place):
    (place / "epochs.csv").rename(place / "other")
    (place / "auc.csv").rename(place / "epochs.csv")
    (place / "other").rename(place / "auc.csv")


def linked(name):
    """Returns a damage that moves a file or, for `""`, all of them elsewhere, and leaves a link."""

    def damage(place):
        elsewhere = place.parents[1] / "elsewhere"
        (place / name).rename(elsewhere)
        (place / name).symlink_to(elsewhere)

    return damage


def without_folder(make):
    """Returns a damage that puts something else in place of the folder of the scale."""

    def damage(place):
        shutil.rmtree(place)
        make(place)

    return damage


def study_is_a_file(place):
    shutil.rmtree(place.parent)
    place.parent.write_text("mine")


ANY = {
    "empty": content(lambda text: b""),
    "cut in the middle": content(lambda text: text[: len(text) // 2]),
    "a byte short": content(lambda text: text[:-2]),
    "a digit changed": content(lambda text: text.replace(b"0", b"7", 1)),
    "zeros": content(lambda text: bytes(len(text))),
    "UTF-16": content(lambda text: text.decode().encode("utf-16")),
    "no text": content(lambda text: bytes(range(256))),
    "missing": replaced(lambda path: None),
    "a folder": replaced(Path.mkdir),
    "a pipe": replaced(os.mkfifo),
    "a link to itself": replaced(lambda path: path.symlink_to(path)),
    "a link to a device": replaced(lambda path: path.symlink_to("/dev/zero")),
}
EPOCHS, AUC, ABOUT = "epochs.csv", "auc.csv", "about.json"


def of(name, damage):
    return lambda place: damage(place / name), f"laptop/{name}"


# Name: damage of the folder of the largest scale, and what must be named, or None where all is as published.
DAMAGES = {
    **{f"{file}: {name}": of(file, damage) for file in (EPOCHS, ABOUT) for name, damage in ANY.items()},
    **{f"{AUC}: {name}": of(AUC, ANY[name]) for name in ("empty", "a digit changed", "missing")},
    "a row missing": of(EPOCHS, content(lambda text: text[: text[:-1].rindex(b"\n") + 1])),
    "a row twice": of(EPOCHS, content(lambda text: text + text.splitlines(keepends=True)[-1])),
    "line ends of Windows": of(EPOCHS, content(lambda text: text.replace(b"\n", b"\r\n"))),
    "tables exchanged": (exchanged, f"laptop/{EPOCHS}"),
    "another scale's table": (lambda place: shutil.copy(place.parent / "quick" / EPOCHS, place), f"laptop/{EPOCHS}"),
    "another scale's results": (folder_of("toy_one", "quick"), f"laptop/{ABOUT}"),
    "another study's results": (folder_of("toy_two", "laptop"), f"laptop/{ABOUT}"),
    "a table added": (lambda place: shutil.copy(place / AUC, place / "roc.csv"), "laptop/roc.csv"),
    "JSON list": of(ABOUT, content(lambda text: b"[]")),
    "JSON null": of(ABOUT, content(lambda text: b"null")),
    "nested without end": of(ABOUT, content(lambda text: b"[" * 100_000)),
    "runs changed": (about(lambda described: described.update(runs=7)), f"laptop/{ABOUT}"),
    "scale changed": (about(lambda described: described.update(scale="paper")), f"laptop/{ABOUT}"),
    "checksum missing": (about(lambda described: described.pop("sha256")), f"laptop/{ABOUT}"),
    "files missing": (about(lambda described: described.pop("files"), seal=True), f"laptop/{ABOUT}"),
    "files a list": (about(lambda described: described.update(files=[EPOCHS]), seal=True), f"laptop/{ABOUT}"),
    "files without epochs": (about(lambda described: described["files"].pop(EPOCHS), seal=True), f"laptop/{ABOUT}"),
    "files elsewhere": (about(lambda d: d["files"].update({"../x.csv": ""}), seal=True), f"laptop/{ABOUT}"),
    "no columns, checksums made to fit": (sealed_table(""), f"laptop/{EPOCHS}"),
    "other columns, checksums made to fit": (sealed_table("source,b\n1,2\n"), ""),
    "folder of the scale empty": (without_folder(Path.mkdir), f"laptop/{ABOUT}"),
    "folder of the scale a file": (without_folder(Path.touch), f"laptop/{ABOUT}"),
    "folder of the scale a link to nothing": (without_folder(lambda path: path.symlink_to("x")), f"laptop/{ABOUT}"),
    "folder of the study a file": (study_is_a_file, ""),
    "a file that is a link": (linked(EPOCHS), None),
    "a folder that is a link": (linked(""), None),
    "a copy by an editor": (lambda place: shutil.copy(place / EPOCHS, place / f"{EPOCHS}~"), None),
    "killed before the new results had the name": (lambda place: place.rename(place.with_name(".laptop.old")), None),
}
LOCKED = {
    "unreadable epochs.csv": (lambda place: (place / EPOCHS).chmod(0), f"laptop/{EPOCHS}"),
    "unreadable about.json": (lambda place: (place / ABOUT).chmod(0), f"laptop/{ABOUT}"),
    "unreadable folder of the scale": (lambda place: place.chmod(0), "laptop"),
    "unreadable folder of the study": (lambda place: place.parent.chmod(0), ""),
}


def untouched(folder, expected=0.5):
    """Checks that the results are the old ones, whole, with no file beside them."""
    check(value(folder) == expected, "other results")
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock")
    files = [f"toy_one/laptop/{name}" for name in (ABOUT, AUC, EPOCHS)]
    check(left == ["toy_one", "toy_one/laptop", *files], f"left: {left}")


def full_disk(options, rows):
    """A publication on a small file system of its own."""

    def fault(folder):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode:
            return "not tried: this user may not mount a file system"
        try:
            results.publish(made_up(), folder)
            words = one_line(OSError, lambda: results.publish(made_up(value=0.75, rows=rows), folder))
            untouched(folder)
            return words
        finally:
            subprocess.run(["umount", folder], check=True)

    return fault


KILLED = """
import os, signal, sys
from faults.results import made_up, results
results.publish(made_up(), sys.argv[1])
new, left = made_up(value=0.75), [int(sys.argv[2])]

def count(event, arguments):
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
results.publish(new, sys.argv[1])
print(int(sys.argv[2]) - left[0])
"""


def killed(moment):
    """A publication that is killed before it opens, makes, renames or removes its n-th file."""

    def fault(folder):
        child = helpers.python(KILLED, folder, moment, stdout=subprocess.PIPE)
        out, _ = child.communicate(timeout=60)
        check(child.returncode == -9, f"it ended after {out}")
        found = value(folder)
        check(found in (0.5, 0.75), f"{found}")
        results.publish(made_up(value=0.25), folder)
        untouched(folder, 0.25)
        return f"{'old' if found == 0.5 else 'new'} results, whole"

    return fault


AT_ONCE = """
import sys
from faults.results import made_up, results, value
_, folder, study, scale = sys.argv
print(flush=True)
sys.stdin.readline()
for number in range(20):
    results.publish(made_up(study, scale, number), folder)
    assert value(folder, study, scale) == number
"""


def at_once(folder):
    pairs = [(study, scale) for study in STUDIES for scale in ("quick", "laptop")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [helpers.python(AT_ONCE, folder, *pair, **pipes) for pair in pairs]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    errors = [child.communicate(timeout=120)[1] for child in children]
    check(errors == [""] * 4, "".join(errors))
    check([value(folder, *pair) for pair in pairs] == [19] * 4, "some are lost")
    return "80 publications, each read as it was written; none lost"


def read_meanwhile(folder):
    """Results that are read while they are published again and again."""
    results.publish(made_up(value=0), folder)
    numbers = iter(range(1, 60))
    writer = threading.Thread(target=lambda: [results.publish(made_up(value=n), folder) for n in numbers])
    writer.start()
    seen = []
    try:
        while writer.is_alive():
            seen.append(value(folder))
    finally:
        writer.join()
    check(seen == sorted(seen), "older results after newer ones")
    return f"read {len(set(seen)) > 1 and 'many times'}, always whole"


def planted(name):
    """A link to a file of the user's where a publication writes."""

    def fault(folder):
        (folder / "mine").write_text("mine")
        (folder / "results" / "toy_one").mkdir(parents=True)
        (folder / "results" / "toy_one" / name).symlink_to(folder / "mine")
        words = "published, the link not followed"
        try:
            results.publish(made_up(), folder / "results")
            check(value(folder / "results") == 0.5, "not published")
        except OSError as error:
            words = str(error)
        check((folder / "mine").read_text() == "mine", "it was written through")
        return words

    return fault


FULL = "one line, the old results whole, no scratch file"
FAULTS = {
    **{
        f"results: {name}": (NAMED if named is not None else "as published", damaged(damage, named))
        for name, (damage, named) in DAMAGES.items()
    },
    **{f"results: {name}": (NAMED, damaged(*locked, unprivileged_report)) for name, locked in LOCKED.items()},
    **{f"publish: disk of {size}": (FULL, full_disk(f"size={size}", rows=60_000)) for size in ("48k", "256k", "1m")},
    **{
        f"publish: out of inodes, {n} left": (FULL, full_disk(f"size=9m,nr_inodes={7 + n}", rows=20)) for n in (0, 1, 2)
    },
    **{f"publish: killed at file {n}": (OLD_OR_NEW, killed(n)) for n in range(2, 21, 2)},
    "publish: two studies, two scales at once": ("none lost", at_once),
    "publish: read meanwhile": ("old or new, whole", read_meanwhile),
    **{
        f"publish: link planted at {n}": ("not written through", planted(n)) for n in (".lock", ".laptop.new", "laptop")
    },
}

if __name__ == "__main__":
    table.main(FAULTS)

"""Ways in which the file of a record can be damaged, by name: functions of its path and of another record's path."""

import json
import os
import shutil

from bnkeras.sweep.records import encode


def rewritten(change, seal=False):
    """Returns a damage that changes the record's content; the checksum stays as it was, or with `seal` fits again."""

    def damage(path, other):
        record = json.loads(path.read_text())
        record = change(record) or record
        if seal:
            record.pop("sha256")
        path.write_text(encode(record) if seal else json.dumps(record))

    return damage


def bytes_of(change):
    """Returns a damage that changes the file's bytes."""
    return lambda path, other: path.write_bytes(change(path.read_bytes()))


def replaced_by(make):
    """Returns a damage that puts something else in the file's place."""

    def damage(path, other):
        path.unlink()
        make(path)

    return damage


def one_row(change):
    return rewritten(lambda record: change(record["tables"]["epochs"][1]))


def every_row(change):
    return rewritten(lambda record: [change(row) for row in record["tables"]["epochs"]] and None)


def table(change):
    return rewritten(lambda record: change(record["tables"]))


def swap(row):
    row["loss"], row["accuracy"] = row["accuracy"], row["loss"]


DAMAGES = {
    "empty": bytes_of(lambda text: b""),
    "cut to 100 bytes": bytes_of(lambda text: text[:100]),
    "cut in the middle": bytes_of(lambda text: text[: len(text) // 2]),
    "last brace missing": bytes_of(lambda text: text.rstrip()[:-1]),
    "first byte missing": bytes_of(lambda text: text[1:]),
    "zeros": bytes_of(lambda text: bytes(len(text))),
    "zeros at the end": bytes_of(lambda text: text + bytes(4096)),
    "no text": bytes_of(lambda text: bytes(range(256))),
    "no JSON": bytes_of(lambda text: b"learned well"),
    "UTF-16": bytes_of(lambda text: text.decode().encode("utf-16")),
    "twice": bytes_of(lambda text: text + text),
    "JSON list": bytes_of(lambda text: b"[]"),
    "JSON null": bytes_of(lambda text: b"null"),
    "JSON number": bytes_of(lambda text: b"0.93"),
    "nested without end": bytes_of(lambda text: b"[" * 100_000),
    "a digit changed": bytes_of(lambda text: text.replace(b'"loss": 0.5', b'"loss": 0.4', 1)),
    "a setting changed": rewritten(lambda record: record["settings"].update(number=7)),
    "a setting missing": rewritten(lambda record: record["settings"].pop("pause") and None),
    "settings missing": rewritten(lambda record: record.pop("settings") and None),
    "key changed": rewritten(lambda record: record.update(key="0" * 20)),
    "class changed": rewritten(lambda record: record.update(run="toy_runs.Other")),
    "checksum of data changed": rewritten(lambda record: record.update(data_sha256="0" * 64)),
    "status banana": rewritten(lambda record: record.update(status="banana")),
    "status diverged": rewritten(lambda record: record.update(status="diverged")),
    "status missing": rewritten(lambda record: record.pop("status") and None),
    "epochs cut": table(lambda tables: tables.update(epochs=tables["epochs"][:1])),
    "epochs emptied": table(lambda tables: tables["epochs"].clear()),
    "an epoch twice": table(lambda tables: tables["epochs"].append(tables["epochs"][-1])),
    "epochs in reverse": table(lambda tables: tables["epochs"].reverse()),
    "epochs missing": table(lambda tables: tables.pop("epochs") and None),
    "a table missing": table(lambda tables: tables.pop("percentiles") and None),
    "a table added": table(lambda tables: tables.update(roc=[])),
    "tables missing": rewritten(lambda record: record.pop("tables") and None),
    "a column missing": every_row(lambda row: row.pop("accuracy")),
    "a column missing in a row": one_row(lambda row: row.pop("accuracy") and None),
    "a column renamed": every_row(lambda row: row.update(precision=row.pop("accuracy"))),
    "values exchanged": one_row(swap),
    "NaN put in": one_row(lambda row: row.update(loss=float("nan"))),
    "null put in": one_row(lambda row: row.update(loss=None)),
    "text put in": one_row(lambda row: row.update(loss="0.5")),
    "a scalar changed": rewritten(lambda record: record["scalars"].update(source="photos")),
    "scalars missing": rewritten(lambda record: record.pop("scalars") and None),
    "seconds changed": rewritten(lambda record: record.update(seconds=1e9)),
    "seconds missing": rewritten(lambda record: record.pop("seconds") and None),
    "started missing": rewritten(lambda record: record.pop("started") and None),
    "environment missing": rewritten(lambda record: record.pop("environment") and None),
    "a field added": rewritten(lambda record: record.update(note="mine")),
    "checksum changed": rewritten(lambda record: record.update(sha256="0" * 64)),
    "checksum missing": rewritten(lambda record: record.pop("sha256") and None),
    "status banana, checksum made to fit": rewritten(lambda record: record.update(status="banana"), seal=True),
    "seconds missing, checksum made to fit": rewritten(lambda record: record.pop("seconds") and None, seal=True),
    "tables a list, checksum made to fit": rewritten(lambda record: record.update(tables=[1, 2]), seal=True),
    "epochs no rows, checksum made to fit": rewritten(lambda r: r["tables"].update(epochs=[3]), seal=True),
    "another run's record": lambda path, other: shutil.copy(other, path),
    "a folder in its place": replaced_by(lambda path: (path / "deep").mkdir(parents=True)),
    "a pipe in its place": replaced_by(os.mkfifo),
    "a link to itself in its place": replaced_by(lambda path: path.symlink_to(path)),
}

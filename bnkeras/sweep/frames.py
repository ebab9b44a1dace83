"""Records as tidy data frames."""

import warnings


def tables(records, on_failed="warn"):
    """Turns the records of a sweep into tidy data frames: a row per row of a run, every setting and scalar a column.

    Args:
        records: list of records, as `run_all` returns them.
        on_failed: `"warn"`, `"raise"` or `"ignore"`: what to do when runs failed, which leave no rows. Diverged runs
            did not fail and stand in the tables.

    Returns:
        Dict from a table's name, `"epochs"` always among them, to a `pandas.DataFrame`: the settings in their order,
        then the run's scalars, then the columns of the rows.

    Raises:
        RuntimeError: runs failed and `on_failed` is `"raise"`.
        ValueError: `on_failed` is none of the three, or settings, scalars and columns of rows share a name.

    Example:
        >>> epochs = tables(run_all(runs))["epochs"]
        >>> epochs.groupby(["batch_size", "epoch"])["accuracy"].agg(["mean", "std"])
    """
    import pandas as pd

    _report_failed([record for record in records if record["status"] == "failed"], len(records), on_failed)
    rows = {"epochs": []}
    for record in records:
        for name, table in record["tables"].items():
            rows.setdefault(name, []).extend(_joined(record["settings"], record["scalars"], table, name))
    return {name: pd.DataFrame(table) for name, table in rows.items()}


def _joined(settings, scalars, table, name):
    columns = {column for row in table for column in row}
    if clash := (settings.keys() & scalars.keys()) | ({*settings, *scalars} & columns):
        raise ValueError(f"settings, scalars and columns of {name!r} must not share names. Received: {sorted(clash)}")
    return [{**settings, **scalars, **row} for row in table]


def _report_failed(failed, count, on_failed):
    if on_failed not in ("warn", "raise", "ignore"):
        raise ValueError(f"`on_failed` must be 'warn', 'raise' or 'ignore'. Received: {on_failed=}")
    if not failed or on_failed == "ignore":
        return
    error = failed[0]["error"]
    text = f"{len(failed)} of {count} runs failed, the first with {error['type']}: {error['message']}"
    if on_failed == "raise":
        raise RuntimeError(text)
    warnings.warn(text, stacklevel=3)

"""A study from its runs to results: data first, then as many seeds as are wanted, and what is known of how it went."""

import datetime
import time

from bnkeras import datasets, studies, sweep
from bnkeras.evidence import claims, results, seeds


def load_data(runs):
    """Load each data set once, so that a missing one is found out and downloaded only once, before any training.

    Returns:
        `{name: {"source": ..., "sha256": ...}}`
    """
    return {name: _origin(datasets.load(name)) for name in sorted({run.data for run in runs})}


def _origin(data):
    return {"source": data.source, "sha256": data.sha256}


def trained(name, scale, data, out, *, until_settled=False, **options):
    """Train the runs of a study that `out` has no records of, and return its `Results`.

    Args:
        name: Name of the study.
        scale: One of its scales.
        data: What `load_data` returned.
        out: Folder of the records.
        until_settled: Whether to add seeds until every headline's interval is narrow enough. Defaults to `False`.
        **options: `finished`, whether to train nothing; `cluster`, address of a Dask scheduler; `jobs` of
            `sweep.run_all`.

    Raises:
        RuntimeError: A run failed.
        OSError: Nothing was to be trained, and no run has finished.
    """
    study, start, counts = studies.get(name), time.perf_counter(), {}
    while True:
        runs = study.runs(scale, counts)
        records = _records(runs, out, **options)
        tables = sweep.tables(records, on_failed="raise")
        counts = seeds.more_seeds(claims.judge(study.CLAIMS, tables), counts, getattr(study, "CAP", seeds.CAP))
        if not until_settled or counts is None:
            about = _about(records, len(runs), data, time.perf_counter() - start)
            return results.Results(name, scale, tables, about)


def _records(runs, out, finished=False, cluster=None, jobs=None):
    if finished:
        records = sweep.finished(runs, out)
    else:
        executor = None if cluster is None else sweep.cluster_executor(cluster)
        records = sweep.run_all(runs, executor=executor, jobs=jobs, out=out)
    if not records:
        raise OSError(f"none of the {len(runs)} runs has finished in {str(out)!r}")
    return records


def _about(records, planned, data, seconds):
    wall = max(seconds, busy_seconds(records))  # the longer where an earlier call has trained some of the runs
    started = min(record["started"] for record in records)
    return {
        "started": started,
        "protocol": results.protocol(started),
        "runs": len(records),
        "planned": planned,
        "seconds": {"wall": round(wall, 1), "all runs": round(sum(record["seconds"] for record in records), 1)},
        "data": data,
        "environments": [dict(pairs) for pairs in sorted({tuple(r["environment"].items()) for r in records})],
    }


def busy_seconds(records):
    """Seconds in which at least one of some runs was being trained."""
    total = end = 0.0
    starts = ((datetime.datetime.fromisoformat(r["started"]).timestamp(), r["seconds"]) for r in records)
    for start, seconds in sorted(starts):
        total += max(start + seconds - max(start, end), 0.0)
        end = max(end, start + seconds)
    return total

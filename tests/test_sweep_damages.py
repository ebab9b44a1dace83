"""A record is what was written: every damage is named, and that run alone is trained again."""

import pytest
from faults.damages import DAMAGES
from toy_runs import Toy, starts

from bnkeras import sweep


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_that_run_alone_trained_again(tmp_path, damage, recwarn):
    log = str(tmp_path / "log")
    runs = [Toy(number, log) for number in range(3)]
    before = sweep.run_all(runs, jobs=0, out=tmp_path, progress=False)
    paths = [tmp_path / "toys" / f"{record['key']}.json" for record in before]
    DAMAGES[damage](paths[1], paths[2])

    with pytest.warns(UserWarning, match="its run is trained again") as caught:
        after = sweep.run_all(runs, jobs=0, out=tmp_path, progress=False)
    assert [str(paths[1]) in str(warning.message) for warning in caught] == [True]
    assert [number for _, number, _ in starts(log)] == [0, 1, 2, 1]
    tables = sweep.tables(after)
    assert {name: table.equals(tables[name]) for name, table in sweep.tables(before).items()} == dict.fromkeys(
        tables, 1
    )

    assert sweep.run_all(runs, jobs=0, out=tmp_path, progress=False) == after
    assert len(starts(log)) == 4


def test_content_alone_decides(tmp_path):
    log = str(tmp_path / "log")
    (before,) = sweep.run_all([Toy(1, log)], jobs=0, out=tmp_path, progress=False)
    (path,) = tmp_path.glob("toys/*.json")
    path.write_text(path.read_text().replace(", ", ",\n  "))
    assert sweep.run_all([Toy(1, log)], jobs=0, out=tmp_path, progress=False) == [before]
    assert len(starts(log)) == 1

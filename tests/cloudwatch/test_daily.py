from __future__ import annotations

import os

import pytest

from mlids.cloudwatch.daily import Daily, Fewer
from mlids.cloudwatch.gathering import Gathered
from mlids.cloudwatch.manifest import About
from mlids.cloudwatch.windows import Window
from tests.cloudwatch.pages import event

ABOUT = About("/g", "s", "r", "text")
DAY, HOUR = 86_400_000, 3_600_000
LATE = HOUR
T0 = 20_000 * DAY  # 2024-10-04


def window(start: int, end: int, *times: int) -> Window:
    gathered = Gathered()
    gathered.add([event(time, str(time - T0), time) for time in times])
    return Window(start, end, gathered, pages=1)


def run(folder, start: int, now: int, *times: int, again: bool = True) -> Daily:
    """One run that reads from `start` (less, where it must) what is at these times."""
    made = Daily(folder, ABOUT, start, LATE, again=again)
    made.add(window(made.start, now, *(t for t in times if made.start <= t < now)), now, "api")
    made.finish(now, "api")
    return made


def held(folder) -> dict[str, list[int]]:
    return {
        path.name: [int(line.split("] ")[1]) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("*.log"))
    }


def test_each_day_has_its_file(tmp_path):
    times = [T0, T0 + 1, T0 + DAY - 1, T0 + DAY, T0 + 3 * DAY + 5]
    made = run(tmp_path, 0, T0 + 5 * DAY, *times, again=False)
    assert held(tmp_path) == {
        "2024-10-04.log": [0, 1, DAY - 1],
        "2024-10-05.log": [DAY],
        "2024-10-07.log": [3 * DAY + 5],
    }
    assert [(one.total_events, added) for one, added in made.changed] == [(3, 3), (1, 1), (1, 1)]
    assert made.through == T0 + 3 * DAY  # the days before are finished


def test_the_next_run_reads_the_last_stretch_again(tmp_path):
    noon = T0 + 12 * HOUR
    events = [T0 + 5, noon - 2 * HOUR, noon - HOUR // 2]
    run(tmp_path, 0, noon, *events, again=False)
    late, new = noon - HOUR // 4, noon + 7
    made = run(tmp_path, noon - LATE, noon + HOUR, *events, late, new)
    assert made.start == noon - LATE  # and not the day's begin
    assert held(tmp_path)["2024-10-04.log"] == [t - T0 for t in [*events, late, new]]
    ((told, added),) = made.changed
    assert (told.total_events, added) == (5, 2)


def test_nothing_new_changes_nothing(tmp_path):
    noon = T0 + 12 * HOUR
    run(tmp_path, 0, noon, T0 + 5, noon - 5, again=False)
    before = (tmp_path / "2024-10-04.log").stat()
    made = run(tmp_path, noon - LATE, noon + HOUR, T0 + 5, noon - 5)
    after = (tmp_path / "2024-10-04.log").stat()
    assert made.changed == []
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert sorted(os.listdir(tmp_path)) == ["2024-10-04.log", "2024-10-04.log.manifest"]


def test_many_runs_give_what_one_gives(tmp_path):
    step = 20 * 60_000
    times = [T0 + n * 7 * 60_000 for n in range(400)]  # two days
    now, end = T0 + step, T0 + 48 * HOUR
    run(tmp_path / "often", 0, now, *times, again=False)
    while now < end:
        start, now = now - LATE, now + step
        run(tmp_path / "often", max(0, start), now, *times)
    run(tmp_path / "once", 0, end, *times, again=False)
    assert held(tmp_path / "often") == held(tmp_path / "once")
    from mlids.cloudwatch import manifest

    for path in (tmp_path / "often").glob("*.manifest"):
        found = manifest.read(path)
        assert found
        assert found.total_events == len(held(tmp_path / "often")[found.file])
        assert len(found.windows) < 60  # of 72 runs a day, and more windows


@pytest.mark.parametrize("what", ["file", "manifest", "both", "changed"])
def test_a_day_whose_file_is_gone_is_fetched_whole(tmp_path, what):
    noon = T0 + 12 * HOUR
    times = [T0 + 5, noon - 2 * HOUR, noon - 5]
    run(tmp_path, 0, noon, *times, again=False)
    if what == "changed":
        (tmp_path / "2024-10-04.log").write_text("mine")
    if what in ("file", "both"):
        (tmp_path / "2024-10-04.log").unlink()
    if what in ("manifest", "both"):
        (tmp_path / "2024-10-04.log.manifest").unlink()
    made = run(tmp_path, noon - LATE, noon + HOUR, *times, noon + 5)
    assert made.start <= T0 + 5
    assert held(tmp_path)["2024-10-04.log"] == [t - T0 for t in [*times, noon + 5]]


def test_less_than_before_does_not_take_its_place(tmp_path):
    noon = T0 + 12 * HOUR
    times = [T0 + 5, noon - 5, noon - 4]
    run(tmp_path, 0, noon, *times, again=False)
    made = run(tmp_path, noon - LATE, T0 + 2 * DAY, noon - 3, T0 + DAY + 7)
    assert made.fewer == [Fewer(T0, tmp_path / "2024-10-04.log", 1)]
    assert held(tmp_path) == {
        "2024-10-04.log": [time - T0 for time in times],
        "2024-10-05.log": [DAY + 7],
    }
    assert [one.file for one, _ in made.changed] == [str(tmp_path / "2024-10-05.log")]
    assert len(os.listdir(tmp_path)) == 4  # and their manifests


def test_over_midnight_both_days_are_right(tmp_path):
    midnight = T0 + DAY
    before = [midnight - HOUR, midnight - 5, midnight + 5]
    run(tmp_path, 0, midnight + HOUR // 2, *before, again=False)
    more = [midnight - 4, midnight + 4, midnight + HOUR]
    run(tmp_path, midnight - HOUR // 2, midnight + 2 * HOUR, *before, *more)
    assert held(tmp_path) == {
        "2024-10-04.log": [t - T0 for t in sorted([*before, *more]) if t < midnight],
        "2024-10-05.log": [t - T0 for t in sorted([*before, *more]) if t >= midnight],
    }


def test_closed_it_leaves_the_file_as_it_was(tmp_path):
    noon = T0 + 12 * HOUR
    run(tmp_path, 0, noon, T0 + 5, again=False)
    made = Daily(tmp_path, ABOUT, noon - LATE, LATE, again=True)
    made.add(window(made.start, noon, noon - 3), noon, "api")
    made.close()
    assert held(tmp_path)["2024-10-04.log"] == [5]
    assert sorted(os.listdir(tmp_path)) == ["2024-10-04.log", "2024-10-04.log.manifest"]

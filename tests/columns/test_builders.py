import os
import subprocess
import sys

import pytest

from mlids import segments
from mlids.columns import builders, companions
from mlids.columns.__main__ import CALM_S
from mlids.columns.builders import behind, complete


def test_complete_waits_and_tells(logs):
    told = []
    complete(logs, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert companions.missing(logs) == []


def test_behind_builds_one_at_a_time(logs):
    process = behind(logs)
    assert behind(logs) is None
    assert process.wait(30) == 0
    assert companions.missing(logs) == []
    again = behind(logs)
    assert again.wait(30) == 0


def test_behind_waits_for_calm(logs):
    newest = segments.sealed(logs)[-1]
    os.utime(newest)
    process = behind(logs)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(CALM_S / 2)
    assert companions.missing(logs)
    os.utime(newest, (1, 1))
    assert process.wait(30) == 0
    assert companions.missing(logs) == []


def test_nothing_is_started_where_nothing_can_be_built(logs, monkeypatch):
    monkeypatch.setattr(builders.importlib.util, "find_spec", lambda name: None)
    assert behind(logs) is None
    complete(logs)
    assert not companions.folder(logs).exists()


def test_who_only_starts_builders_loads_no_duckdb():
    program = (
        "import sys; from mlids.columns import behind; from mlids.archive import Archive; "
        "print(Archive('nowhere').tally().total, sorted({'duckdb', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "0 []\n"

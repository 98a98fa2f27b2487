import json

import click
import pytest

from mlids.cli import scanned
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.scanning import Scan

LINE = "2025-01-13T10:30:{:02d}+00:00 host sshd[{}]: {} password for root from 192.0.2.7 port 22 ssh2\n"


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """A scan of lines of logins that failed, or did not."""
    monkeypatch.chdir(tmp_path)

    def made(word="Failed", count=6):
        path = tmp_path / "auth.log"
        path.write_text("".join(LINE.format(n, n, word) for n in range(count)))
        settings = ConfigManager("none.yaml", environment={}).settings
        return Scan(settings, [str(path)], lambda error: None)

    return made


def ran(scan, kind=None, target=None, store=False, as_json=False):
    return scanned.run(scan, kind, target, store, as_json)


def test_the_status_and_what_is_told(scan, capfdbinary):
    assert ran(scan(), "jsonl") == 1
    out, err = capfdbinary.readouterr()
    assert {json.loads(line)["type"] for line in out.splitlines()} >= {"Failed Login"}
    assert b"6 read, 6 matched" in err and b"Brute Force" in err
    assert ran(scan("Accepted", 1)) == 0
    assert b"read 1 lines" in capfdbinary.readouterr().err


def test_where_nothing_could_be_read_the_status_is_3(scan):
    empty = scan("Failed", 0)
    empty.summary.problems.append("E007: not there")
    assert ran(empty) == 3


def test_where_it_goes(scan, tmp_path):
    assert ran(scan(), "jsonl", "found.jsonl", store=True) == 1
    found = (tmp_path / "found.jsonl").read_text().splitlines()
    assert len(found) == len((tmp_path / "logs" / "mlids.jsonl").read_text().splitlines())
    with pytest.raises(MLIDSError, match="E007"):
        ran(scan(), target="no/such/folder")


def test_options_reach_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = {}

    @click.command()
    @scanned.options
    @click.pass_context
    def command(ctx, /, path, **given):
        seen.update(given, settings=scanned.chosen(ctx, path))

    command.main(["--format", "csv", "--store"], standalone_mode=False)
    assert seen.pop("settings").thresholds.brute_force_threshold == 5
    assert seen == {"kind": "csv", "target": None, "store": True, "as_json": False}
    with pytest.raises(MLIDSError, match="E001"):
        command.main(["--config", "missing.yaml"], standalone_mode=False)

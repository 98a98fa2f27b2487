import sys

import click
import pytest

from mlids.cli import console
from mlids.errors import ConfigError, MLIDSError


class Stream:
    def __init__(self, terminal):
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_colours(monkeypatch, environment, terminal, expected):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert console.colours(Stream(terminal)) is expected


def test_an_error_is_a_line_and_its_hint(capsys):
    console.tell(MLIDSError("E003", "no eth9\x1b[31m"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "E003 no eth9\\x1b[31m"
    assert "--interface" in err.splitlines()[1]


def test_all_problems_of_a_configuration_are_listed(capsys):
    console.tell(ConfigError("E002", "c.yaml: 2 problems: one", ["one", "two"]))
    assert "     two" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (None, 0),
        (MLIDSError("E010"), 3),
        (KeyboardInterrupt(), 130),
        (click.UsageError("x"), 2),
        (click.exceptions.Abort(), 130),
    ],
)
def test_exit_statuses(raised, status, monkeypatch):
    @click.command()
    def command():
        if raised:
            raise raised

    monkeypatch.setattr(sys, "argv", ["index.py"])
    assert console.run(command) == status


def test_a_reader_that_goes_away_is_no_error(run, tmp_path):
    import subprocess

    done = subprocess.run(
        f"{sys.executable} -c 'import sys; sys.path.insert(0, \"{tmp_path}\")'; "
        f"{sys.executable} {console.__file__.replace('mlids/cli/console.py', 'index.py')} "
        "config --list | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_json_is_one_document(capsys):
    console.out_json({"a": [1]})
    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n'

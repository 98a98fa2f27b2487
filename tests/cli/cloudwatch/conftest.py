"""Commands on CloudWatch run in this process, against the servers of `tests.cloudwatch`."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import pytest

from tests.cloudwatch.conftest import aws_env, moto_server, moto_url, server

__all__ = ["aws_env", "moto_server", "moto_url", "server"]


class Done(NamedTuple):
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws_env: Any) -> Any:
    """`typed("list", "--limit", "3", at=server.url)`: what follows ``index.py cloudwatch``."""
    from mlids.cli import cli, console

    monkeypatch.delenv("MLIDS_LOG_GROUP", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: str, at: str = "") -> Done:
        where = ("--endpoint-url", at, "--requests-per-second", "0") if at else ()
        monkeypatch.setattr(sys, "argv", ["index.py", "cloudwatch", *arguments, *where])
        capsys.readouterr()
        return Done(console.run(cli), *capsys.readouterr())

    return run

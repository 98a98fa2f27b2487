"""An AWS that is not there: credentials, the small server, and moto."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cloudwatch.server import Server


@pytest.fixture
def aws_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Credentials that nobody checks, and nothing else that boto3 would find: an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return home


@pytest.fixture
def server(aws_env: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers, called as `Server` is; they end with the test."""
    with ExitStack() as running:

        def start(streams: Mapping[str, Any], **options: Any) -> Server:
            return running.enter_context(Server(streams, **options))

        yield start


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The URL of moto's real HTTP server, one for each process of tests."""
    moto = pytest.importorskip("moto.server", reason="needs moto (pip install 'moto[server]')")
    running = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def moto_url(moto_server: str, aws_env: Path) -> str:
    """The URL of moto's server, with nothing in it. It refuses events older than 14 days."""
    request = urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=30).close()
    return moto_server

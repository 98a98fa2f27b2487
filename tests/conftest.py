"""Fixtures that many tests share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

# In the background of a shell Ctrl-C is ignored, by all children too; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("root") and (missing := _missing_for_root()):
            item.add_marker(pytest.mark.skip(reason=missing))


def _missing_for_root() -> str:
    if os.geteuid() != 0:
        return "needs root: network namespaces and raw sockets"
    if shutil.which("ip") is None:
        return "needs iproute2 (apt-get install iproute2)"
    return ""


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of labelled cases; tests that use it are skipped where it is not set."""
    folder = os.environ.get("MLIDS_CORPORA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MLIDS_CORPORA names no folder of labelled cases")
    return Path(folder)

"""A store of two sealed segments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlids.testing import event


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two segments of 50 events, the number of each in its details."""
    for segment in range(2):
        lines = [
            event(
                details={"ip": f"10.0.{segment}.{n % 5}", "n": segment * 50 + n}, seconds=n
            ).encoded()
            for n in range(50)
        ]
        path = tmp_path / f"mlids-20250113T10300{segment}Z-1.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        os.utime(path, (1_736_764_200, 1_736_764_200))
    return tmp_path

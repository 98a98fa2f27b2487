"""Runs commands as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    """`run("config", "--list")` in a folder of its own; gives the finished process with text."""

    def typed(*arguments: str, env: dict[str, str] | None = None, **options: Any):
        usual = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
        return subprocess.run(
            [sys.executable, str(ROOT / "index.py"), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**usual, **(env or {})},
            timeout=60,
            **options,
        )

    return typed

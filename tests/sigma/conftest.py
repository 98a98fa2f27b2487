"""Records and rules for the tests of Sigma."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mlids.batches import LineBatch, LogFormat
from mlids.sigma import rules, sources
from mlids.sigma.engine import Engine
from mlids.testing import START_NS, lines

HEAD = "title: A test\nid: 6a1f0f5e-0000-4000-8000-000000000001\nstatus: test\nlevel: high\n"


class JsonFormat(LogFormat):
    """Objects, one a line, with their time in `t` (seconds after START_NS)."""

    def __init__(self, called: str) -> None:
        super().__init__()
        self.called = called

    @property
    def name(self) -> str:
        return self.called

    def records(self, batch: LineBatch) -> list[dict[str, Any]]:
        found = []
        for row in range(len(batch)):
            try:
                value = json.loads(batch.line(row))
            except ValueError:
                value = {}
            found.append(value if isinstance(value, dict) else {})
        return found

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        times = [START_NS + int(one.get("t", 0) * 10**9) for one in self.records(batch)]
        return {"time": np.array(times, dtype=np.int64)}


class TextFormat(LogFormat):
    """Lines of no shape; the record holds what `fields` gives."""

    def __init__(self, called: str = "app", fields: Any = None) -> None:
        super().__init__()
        self.called = called
        self.fields = fields or (lambda line: {"message": line})

    @property
    def name(self) -> str:
        return self.called

    def records(self, batch: LineBatch) -> list[dict[str, Any]]:
        texts = (batch.line(row).decode("utf-8", "backslashreplace") for row in range(len(batch)))
        return [self.fields(text) for text in texts]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        return {"time": np.full(len(batch), START_NS, dtype=np.int64)}


OWN = [sources.Source(format="json_lines", product="shop", category="orders")]


class Made:
    """What tests make of rules and records."""

    START_NS = START_NS
    OWN = OWN
    JsonFormat = JsonFormat
    TextFormat = TextFormat

    def rule(self, detection: str, logsource: str = "product: shop", head: str = HEAD) -> str:
        """A rule of one selection, unless the detection has a condition of its own."""
        indented = "\n".join(f"  {line}" for line in detection.strip("\n").splitlines())
        if "condition:" not in detection:
            body = "\n".join(f"    {line}" for line in detection.strip("\n").splitlines())
            indented = f"  selection:\n{body}\n  condition: selection"
        return f"{head}logsource:\n  {logsource}\ndetection:\n{indented}\n"

    def engine(self, text: str, placeholders: Any = None) -> Engine:
        known = rules.parse(text, placeholders)
        assert not known.problems, known.problems[0]
        return Engine(known, sources.entries(OWN))

    def batch(self, *records: Any, format: Any = None, source: str = "shop.log") -> LineBatch:
        texts = [one if isinstance(one, str) else json.dumps(one) for one in records]
        return lines(*texts, format=format or JsonFormat("json_lines"), source=source)

    def matches(self, detection: str, *records: Any, placeholders: Any = None) -> list[bool]:
        """Which of the records a detection matches; the screen and the plain way agree."""
        engine = self.engine(self.rule(detection), placeholders)
        batch = self.batch(*records)
        kind = engine.kind(batch)
        fast = [] if kind is None else [hit.row for hit in kind.hits(batch)]
        plain = [] if kind is None else [hit.row for hit in kind.hits(batch, screened=False)]
        assert fast == plain
        return [row in plain for row in range(len(batch))]


@pytest.fixture(scope="session")
def made() -> Made:
    """Makes rules and batches of records."""
    return Made()

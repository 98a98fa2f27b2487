"""Examples of rules: ``rule.examples.yaml`` beside ``rule.yaml``.

::

    format: nginx                    # of the lines
    source: /var/log/nginx/access.log    # where they would stand, if rules ask for it
    match: ['one line', ['several', 'lines together']]
    no_match: ['…']

Each of `match` must make the rules of the file tell something, each of `no_match` nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import yaml

from mlids.batches import LineBatch, LogFormat
from mlids.errors import MLIDSError
from mlids.events import Severity
from mlids.lines.chunks import line_bounds
from mlids.sigma import documents, rules
from mlids.sigma.compiling import Placeholders
from mlids.sigma.live import Live
from mlids.sigma.sources import Entry

KEYS = 1000
WRITTEN_NS = 1_736_764_245 * 10**9  # examples without a year are of 2025


class Examples(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The examples of one file of rules."""

    format: str
    source: str = "example.log"
    match: list[str | list[str]]
    no_match: list[str | list[str]] = []


class Outcome(NamedTuple):
    """One example: its lines, whether the rules should tell something, and what they told."""

    path: str
    lines: list[str]
    wanted: bool
    told: list[str]

    @property
    def right(self) -> bool:
        """Whether they told what they should."""
        return self.wanted == bool(self.told)


def beside(paths: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """The rule files among these paths that have examples, and where these are."""
    for path in documents.files(paths):
        for suffix in documents.SUFFIXES:
            examples = path.with_name(f"{path.stem}{documents.EXAMPLES}{suffix}")
            if examples.is_file():
                yield path, examples
                break


def load(path: Path) -> Examples:
    """The examples of a file. Raises `MLIDSError` E007 that says what is wrong with it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader
        return msgspec.convert(data, Examples)
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, OSError) as error:
        hint = "it holds format, match and no_match: see docs/how-to/use-sigma-rules.md"
        raise MLIDSError("E007", f"{path}: {error}".replace("\n", " "), hint) from error


def outcomes(
    path: Path,
    examples: Examples,
    format: LogFormat,
    entries: Sequence[Entry],
    placeholders: Placeholders,
) -> Iterator[Outcome]:
    """What the rules of a file say to each of its examples."""
    known = rules.load([str(path)], placeholders)
    for wanted, some in ((True, examples.match), (False, examples.no_match)):
        for one in some:
            lines = [one] if isinstance(one, str) else one
            live = Live(known, entries, Severity.LOW, KEYS, KEYS)
            batch = batch_of(lines, examples.source, format)
            said = [*live.inspect(batch), *live.flush()]
            told = [event["rule"] for event in said if event["type"] == "Rule Match"]
            yield Outcome(str(path), lines, wanted, told)


def batch_of(lines: Sequence[str], source: str, format: LogFormat) -> LineBatch:
    """Lines as they come from a file."""
    data = "".join(f"{line}\n" for line in lines).encode()
    starts, ends = line_bounds(data)
    numbers = np.arange(1, len(starts) + 1, dtype=np.int64)
    return LineBatch(data, starts, ends, numbers, source, written=WRITTEN_NS, format=format)

"""Folders of rules of somebody's own for log lines: read, and held against their own examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mlids import assembly
from mlids.batches import LineBatch, LogFormat
from mlids.errors import MLIDSError
from mlids.explaining import one_line
from mlids.signatures.compiled import Compiled
from mlids.signatures.examples import Bench
from mlids.signatures.library import Library, library, load
from mlids.signatures.rules import KINDS

WRITTEN_NS = 1_736_764_245_000_000_000  # by when examples were written, for years that they lack


class Verdict(NamedTuple):
    """One rule, or a file that holds none (rule: None), and what is wrong with it."""

    path: str
    rule: Compiled | None
    problems: list[str]


def is_rulebook(folder: str) -> bool:
    """Whether a folder holds rules for log lines: ``login`` and ``log`` in it."""
    return any((Path(folder) / kind).is_dir() for kind in KINDS)


def verdicts(settings: Any, folder: str) -> Iterator[Verdict]:
    """Each rule of a folder, beside all that MLIDS ships, and what its examples say of it."""
    formats = assembly.formats(settings)

    def likeliest(line: bytes) -> LogFormat | None:
        name = formats.likeliest(line + b"\n")
        return formats.made(name) if name else None

    def batch(line: bytes, known: LogFormat | None) -> LineBatch:
        return one_line(line, known, WRITTEN_NS)

    for kind in KINDS:
        for path in sorted(Path(folder).glob(f"{kind}/*.y*ml")):
            try:
                own = load(path.read_bytes(), kind, str(path))
            except (MLIDSError, OSError) as error:
                yield Verdict(str(path), None, [getattr(error, "message", str(error))])
                continue
            bench = Bench(Library([*own, *library().rules]), likeliest, batch)
            for rule in own:
                yield Verdict(str(path), rule, list(bench.problems(rule)))

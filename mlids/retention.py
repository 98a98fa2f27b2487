"""How long stored events are kept: by age, by severity, by the size of all segments together.

Each step is entered among the seals before it is done, so that `mlids.verification` can tell it
from a theft.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from mlids import segments
from mlids.events import Severity
from mlids.proofs import Link, claimed
from mlids.sealing import Sealer
from mlids.seals import Seal

DAY_S = 86400
NAMES = tuple(severity.value for severity in Severity)


class Policy(msgspec.Struct, frozen=True):
    """What is kept.

    days: of every event, but by_severity has its own for some; 0: for ever. max_bytes: of all
    sealed segments together, the oldest go first; 0: no bound.
    """

    days: int = 0
    by_severity: Mapping[str, int] = {}
    max_bytes: int = 0

    def keep(self, age_s: float) -> tuple[str, ...]:
        """The severities that are kept of a segment whose last record is so old."""
        limits = ((name, self.by_severity.get(name, self.days)) for name in NAMES)
        return tuple(name for name, days in limits if not days or age_s < days * DAY_S)


class Step(msgspec.Struct, frozen=True):
    """What is to be done: remove a segment, or keep only some severities of it."""

    path: Path
    why: str
    size: int  # bytes of the file as it stands
    keep: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The step in a sentence."""
        what = f"keeps only {', '.join(self.keep)}" if self.keep else "is removed"
        return f"{self.path.name} {what}: {self.why}"


class Retention:
    """Applies a policy to the segments of a folder; `sealer` enters what is done."""

    def __init__(self, folder: Path, policy: Policy, sealer: Sealer) -> None:
        self.folder = folder
        self.policy = policy
        self.sealer = sealer
        self._done = -1  # the last step that was found carried out

    def due(self, now: float) -> Iterator[Step]:
        """What the policy asks for at a moment (seconds since 1970), the oldest segment first."""
        every = list(self._standing(now))
        bound = self.policy.max_bytes
        excess = sum(size for _, size, _ in every) - bound if bound else 0
        for path, size, finished in every:
            age = now - finished
            keep = self.policy.keep(age)
            if excess > 0:
                excess -= size
                yield Step(path, f"all segments exceed {bound:,} bytes", size)
            elif len(keep) < len(NAMES) and self._kept(path) != keep:
                yield Step(path, f"{age // DAY_S:.0f} days old", size, keep)

    def _standing(self, now: float) -> Iterator[tuple[Path, int, float]]:
        """Each segment, its size, and when it was finished.

        That was not before the one that precedes it, even where a clock that was behind says so: a
        machine without a battery for its clock begins every day in 1970.
        """
        latest = 0.0
        for path in segments.sealed(self.folder):
            with contextlib.suppress(FileNotFoundError):  # compressed at this very moment
                state = path.stat()
                latest = max(latest, state.st_mtime if state.st_mtime <= now else 0.0)
                yield path, state.st_size, max(latest, state.st_mtime)

    def carry_out(self, step: Step) -> None:
        """Do it, durably. Raises OSError or `MLIDSError`: then nothing was done."""
        if step.keep:
            self._thin(step)
        else:
            first, end = self._extent(step.path)
            self.sealer.record(end, kind="removed", segment=segments.stem(step.path), first=first)
            step.path.unlink(missing_ok=True)
        segments.sync_folder(self.folder)

    def _thin(self, step: Step) -> None:
        first, end = self._extent(step.path)
        content = sha256()

        def enter() -> None:
            """When all is on the disk, so that nothing but a crash can come between."""
            self.sealer.record(
                end,
                kind="thinned",
                segment=segments.stem(step.path),
                first=first,
                keep=",".join(step.keep),
                digest=content.hexdigest(),
            )

        with segments.rewritten(step.path, settled=enter) as file:
            for line in segments.lines(step.path):
                if _severity(line) in step.keep:
                    content.update(line)
                    file.write(line)

    def _kept(self, path: Path) -> tuple[str, ...]:
        """The severities that were left when retention last worked on a segment."""
        step = self.sealer.seals.thinned.get(segments.stem(path))
        return tuple(step.keep.split(",")) if step and self._is_done(path, step) else NAMES

    def _is_done(self, path: Path, step: Seal) -> bool:
        """False where a crash came between entering a step and doing it: that was the last one."""
        last = max(seal.number for seal in self.sealer.seals.thinned.values())
        if step.number == last != self._done:
            try:
                if segments.content(path)[0] != step.digest:
                    return False
            except EOFError:
                pass  # damaged: there is nothing to be thinned
            self._done = last
        return True

    def _extent(self, path: Path) -> tuple[int, Link]:
        """The first number and the end of the chain of a segment when it was whole; 0: no chain."""
        if step := self.sealer.seals.thinned.get(segments.stem(path)):
            return step.first, step.link
        first, last = 0, Link()
        with contextlib.suppress(EOFError):
            for line in segments.lines(path):
                if link := claimed(line):
                    first, last = first or link.seq, link
        return first, last


class _Line(msgspec.Struct):
    severity: str = ""


_decode = msgspec.json.Decoder(_Line).decode


def _severity(line: bytes) -> str:
    """The severity of a record; one without counts as CRITICAL, so that it is kept longest."""
    try:
        return Severity(_decode(line).severity).value
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError):
        return Severity.CRITICAL.value

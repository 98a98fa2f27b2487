"""Is the event log what MLIDS wrote? Holds the chain, the seals and retention against each other.

`verify` reads every record once, in the order of the segments, and stops at the first that is not
what it should be: everything behind it hangs on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from mlids import segments
from mlids.locking import holder
from mlids.proofs import Link, claimed, digest_of, split
from mlids.seals import FILE, KEY, VERIFY, Seal, Seals, following, stored_key
from mlids.seals import keys as known_keys

Keys = Mapping[int, bytes]  # by the number of the first seal that each signs
ATTEMPTS = 50  # readings of a log on which retention works meanwhile


class Verification(msgspec.Struct):
    """What was found. `ok` is True where nothing contradicts the log.

    records: looked at; first, last: their numbers; sealed: the last number that a seal vouches for;
    unsealed: records behind it (of the last seconds before a crash, or of this very moment);
    unproved: lines from before there was a chain; removed, thinned: segments on which retention
    worked, as recorded; authentic: whether the seals' signatures were checked against the first
    key; bad: the first record or seal that is wrong, in words, "" for none; file, line: where it
    is; notes: what else a reader should know; time: of the last seal (UTC).
    """

    ok: bool = True
    records: int = 0
    first: int = 0
    last: int = 0
    sealed: int = 0
    unsealed: int = 0
    unproved: int = 0
    removed: int = 0
    thinned: int = 0
    authentic: bool = False
    bad: str = ""
    file: str = ""
    line: int = 0
    time: str = ""
    notes: list[str] = []


class _BadError(Exception):
    """The first thing that is wrong: words, file, line."""

    def __init__(self, text: str, file: str = "", line: int = 0) -> None:
        super().__init__(text)
        self.file = file
        self.line = line


def verify(
    folder: Path, seals: Path | None = None, keys: Keys | None = None, since_ns: int = 0
) -> Verification:
    """Verify the log in a folder.

    seals: where its seals are, by default ``folder/seals``; keys: the first key, by default what
    is kept beside the seals (`mlids.seals.VERIFY`); since_ns: leave out the segments that were
    finished before (ns since 1970). Raises OSError where something cannot be read.
    """
    where = seals or folder / "seals"
    live = holder(folder) is not None
    result, steps = _attempt(folder, where, keys, since_ns)
    for _ in range(ATTEMPTS if live else 0):
        if result.ok:
            break
        before = result.bad, steps
        result, steps = _attempt(folder, where, keys, since_ns)
        if (result.bad, steps) == before:
            break  # what is wrong twice was not retention at work
    return result


def _attempt(
    folder: Path, seals: Path, keys: Keys | None, since_ns: int
) -> tuple[Verification, int]:
    """What is found, and how many steps of retention were known."""
    result = Verification()
    book = Seals(seals)
    entries: list[Seal] = []
    try:
        entries = _sealed(book, keys or known_keys(book.folder / VERIFY), result)
        if keys and not entries:
            raise _BadError("there are no seals", FILE)
        _Reader(folder, entries, result, since_ns).read()
    except _BadError as error:
        result.ok, result.bad = False, str(error)
        result.file, result.line = error.file, error.line
    return result, sum(seal.kind != "seal" for seal in entries)


def _sealed(book: Seals, keys: Keys, result: Verification) -> list[Seal]:
    """The seals, once their numbers, their signatures and the key that is left fit together.

    MLIDS may be sealing meanwhile: the key is looked at before and behind the seals.
    """
    entries: list[Seal] = []
    before = stored_key(book.folder)
    for line, seal in enumerate(book.read(), 1):
        if seal is None:
            result.notes.append(f"{FILE}: line {line} is no seal (a crash can tear one)")
            continue
        if seal.number != len(entries):
            raise _BadError(f"seal {len(entries)} is missing", FILE, line)
        if seal.kind == "seal" and seal.seq < result.sealed:
            raise _BadError(f"seal {seal.number} is behind the one before it", FILE, line)
        if seal.kind == "seal":
            result.sealed, result.time = seal.seq, seal.time
        entries.append(seal)
    left = stored_key(book.folder)
    least = before[0] if before else 0
    most = left[0] + 1 if left else len(entries)  # a crash can come before the step to the next key
    if not least <= len(entries) <= most:
        raise _BadError(f"{least} seals were made and {len(entries)} are there", FILE)
    if entries and not left:
        raise _BadError(f"{KEY} is gone: nothing shows that no seal was taken away", KEY)
    _authenticate(entries, left, keys, result)
    return entries


def _authenticate(
    entries: list[Seal], left: tuple[int, bytes] | None, keys: Keys, result: Verification
) -> None:
    if not keys:
        result.notes.append("signatures were not checked: the first key is not here")
        return
    number = 0
    key = keys.get(number, b"")
    for seal in entries:
        key = keys.get(seal.number) or key
        if not key:
            raise _BadError(f"no key is known for seal {seal.number}", FILE, seal.number + 1)
        if seal.signature(key) != seal.mac:
            text = f"seal {seal.number} is not signed with its key"
            raise _BadError(text, FILE, seal.number + 1)
        key, number = following(key), seal.number + 1
    if left and number == left[0] and left[1] != key and number not in keys:
        raise _BadError(f"{KEY} does not follow from the seals", KEY)
    result.authentic = True


class _Reader:
    """Follows the chain through the segments."""

    def __init__(
        self, folder: Path, entries: list[Seal], result: Verification, since_ns: int
    ) -> None:
        self.folder = folder
        self.result = result
        self.since_ns = since_ns
        self.end: Link | None = None  # None before the first record with a proof
        self._sealed = any(seal.kind == "seal" for seal in entries)
        self._seals = iter([seal for seal in entries if seal.kind == "seal"])
        self._seal = next(self._seals, None)
        self._removed = {seal.first: seal for seal in entries if seal.kind == "removed"}
        self._thinned: dict[str, list[Seal]] = {}
        for seal in entries:
            if seal.kind == "thinned":
                self._thinned.setdefault(seal.segment, []).append(seal)

    def read(self) -> None:
        """Read what is there. Raises `_BadError`."""
        for path, stream in self._chosen():
            with contextlib.suppress(FileNotFoundError):  # retention was here, or the chain breaks
                if not self._is_what_was_left(path):
                    self._follow(path, stream)
        self._pass_removed(None)
        reached = self.end.seq if self.end else 0
        if not self._sealed and (reached or self.result.unproved):
            raise _BadError("there are no seals", FILE)
        if self._seal is not None and self._seal.seq > reached:
            text = f"records {reached + 1} to {self.result.sealed} were sealed and are missing"
            raise _BadError(text, segments.OPEN)
        self.result.last = reached
        self.result.unsealed = max(0, reached - self.result.sealed)

    def _chosen(self) -> Iterator[tuple[Path, IO[bytes] | None]]:
        """The files to read; those before serve only to know where the chain goes on."""
        sealed, stream = segments.listed(self.folder)
        asked = (number for number, path in enumerate(sealed) if self._is_asked_for(path))
        first = next(asked, len(sealed))
        if first:
            self._begin_behind(sealed[first - 1])
        yield from ((path, None) for path in sealed[first:])
        if stream:
            with stream:
                yield self.folder / segments.OPEN, stream

    def _is_asked_for(self, path: Path) -> bool:
        try:
            return segments.modified_ns(path) >= self.since_ns
        except FileNotFoundError:  # retention was here; what is behind it is younger
            return True

    def _begin_behind(self, path: Path) -> None:
        """The chain goes on behind the end of a segment, whose records are not looked at."""
        if steps := self._thinned.get(segments.stem(path)):
            self.end = steps[-1].link
        else:
            try:
                for line in segments.lines(path):
                    self.end = claimed(line) or self.end
            except FileNotFoundError:
                pass  # retention was here, or the chain breaks
            except EOFError as error:
                raise _BadError(str(error), path.name) from error
        self._pass_seals()

    def _follow(self, path: Path, stream: IO[bytes] | None) -> None:
        number = 0
        try:
            found = segments.whole(stream) if stream else segments.lines(path)
            for number, line in enumerate(found, 1):
                body, digest = split(line)
                end = self.end
                if end is None or not digest or digest_of(end.digest, body) != digest:
                    if not self._begins(path, number, line):
                        continue
                    end = self.end
                assert end is not None
                self.end = Link(end.seq + 1, digest)
                self.result.records += 1
                self.result.first = self.result.first or end.seq + 1
                if self._seal and end.seq + 1 >= self._seal.seq:
                    self._hold_against_seal(path, number)
        except EOFError as error:
            raise _BadError(str(error), path.name, number + 1) from error

    def _begins(self, path: Path, number: int, line: bytes) -> bool:
        """A line that does not follow: may the chain (go on to) begin here? False: before it."""
        link = claimed(line)
        if self.end is None:
            if link is None:
                self.result.unproved += 1
                return False
            self.end = Link()
        body, digest = split(line)
        self._pass_removed(link)
        if link is None or digest_of(self.end.digest, body) != digest:
            raise _BadError(self._fault(link), path.name, number)
        return True

    def _pass_removed(self, to: Link | None) -> None:
        """Step over the segments that retention removed, as far as it says so."""
        end = self.end or Link()
        while (step := self._removed.get(end.seq + 1)) and (to is None or step.seq < to.seq):
            end = step.link
            self.result.removed += 1
        if self.end is not None or end.seq:
            self.end = end
            self._pass_seals()

    def _is_what_was_left(self, path: Path) -> bool:
        """True where a thinned segment holds what retention left; False: look at its chain."""
        steps = self._thinned.get(segments.stem(path), ())
        if not steps:
            return False
        try:
            digest, kept = segments.content(path)
        except EOFError:
            return False
        # A crash can come between entering a step and doing it: then the one before holds.
        step = next((step for step in steps if step.digest == digest), None)
        if not step:
            return False
        self.result.thinned += 1
        if not step.first:  # it had no chain
            self.result.unproved += kept
            return True
        self._pass_removed(Link(step.first, ""))
        reached = self.end.seq if self.end else 0
        if step.first != reached + 1:
            raise _BadError(f"records {reached + 1} to {step.first - 1} are missing", path.name, 1)
        self.end = step.link
        self.result.records += kept
        self.result.first = self.result.first or step.first
        self._pass_seals()
        return True

    def _pass_seals(self) -> None:
        """Leave behind the seals of what is not there to be looked at."""
        while self.end and self._seal and self._seal.seq <= self.end.seq:
            if self._seal.seq == self.end.seq and self._seal.link != self.end:
                raise _BadError(f"seal {self._seal.number} contradicts retention", FILE)
            self._seal = next(self._seals, None)

    def _hold_against_seal(self, path: Path, line: int) -> None:
        assert self.end
        while self._seal and self._seal.seq <= self.end.seq:
            if self._seal.seq == self.end.seq and self._seal.link != self.end:
                text = f"record {self.end.seq} is not the one that was sealed at {self._seal.time}"
                raise _BadError(text, path.name, line)
            self._seal = next(self._seals, None)

    def _fault(self, link: Link | None) -> str:
        assert self.end
        due = self.end.seq + 1
        if link is None:
            return f"record {due} is no record of MLIDS: put in, or garbled"
        if link.seq > due:
            return f"records {due} to {link.seq - 1} are missing"
        if link.seq < due:
            return f"record {link.seq} stands where {due} should be: moved or repeated"
        return f"record {due} was changed"

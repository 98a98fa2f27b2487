"""Seals: what the chain's end was at a moment, signed with a key that is gone right afterwards.

The seals stand outside the log, in a file of JSON lines. Each is signed (HMAC-SHA-256) with a key
of its own, made from the key before by a one-way step, and only the next key stays on the machine:
who breaks in today cannot forge the seals of yesterday (forward security, after Bellare and Yee,
1997; systemd's journal does the same). The first key, from which all others follow, verifies; it
belongs on another machine.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

import msgspec

from mlids.atomic import write_atomically
from mlids.moments import parse_time
from mlids.proofs import Link

FILE, KEY, VERIFY = "seals.jsonl", "next.key", "verify.key"


class Seal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry: the chain's end (`seq`, `chain`) at a moment.

    number: of the entry, from 0; kind: seal, or what retention did to a segment: removed, thinned;
    segment: its name without endings; first: its first record's number; keep: the severities that
    a thinned one has left, digest: SHA-256 of these records.
    """

    number: int
    time: str
    seq: int
    chain: str
    kind: str = "seal"
    segment: str = ""
    first: int = 0
    keep: str = ""
    digest: str = ""
    mac: str = ""

    @property
    def link(self) -> Link:
        """The end of the chain that it vouches for."""
        return Link(self.seq, self.chain)

    @property
    def time_ns(self) -> int:
        """The moment, in ns since 1970; 0 where somebody wrote something else there."""
        with contextlib.suppress(ValueError, OverflowError):
            return parse_time(self.time)
        return 0

    def signed(self, key: bytes) -> Seal:
        """The same with its signature."""
        return msgspec.structs.replace(self, mac=self.signature(key))

    def signature(self, key: bytes) -> str:
        """What `mac` must be under this key."""
        body = msgspec.json.encode(msgspec.structs.replace(self, mac=""), order="sorted")
        return hmac.digest(key, body, "sha256").hex()


def following(key: bytes, steps: int = 1) -> bytes:
    """The key so many steps on; there is no way back."""
    for _ in range(steps):
        key = sha256(b"mlids seal key" + key).digest()
    return key


class Seals:
    """The seals in one folder: written by one store, read by whoever verifies.

    Raises OSError where the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last: Seal | None = None  # of the chain's end
        self.thinned: dict[str, Seal] = {}  # the last step that left something of a segment
        self._number = 0
        self._key = b""

    def open(self) -> None:
        """Take up the key where it was left; the first time, make one and the one that verifies."""
        self._make_folder()
        reached = 0
        for seal in self.read():
            if seal:
                self._note(seal)
                reached = seal.number + 1
        self._end_torn_line()
        stored = stored_key(self.folder)
        if stored is None:
            number, key = reached, secrets.token_bytes(32)
            before = _text_of(self.folder / VERIFY)
            write_atomically(self.folder / VERIFY, before + _text(number, key), 0o400)
        else:
            number, key = stored
            # A crash between a seal and the step to the next key: that step is made now.
            number, key = max(number, reached), following(key, max(0, reached - number))
        self._keep_key(number, key)

    def add(self, link: Link, time: str, **more: object) -> None:
        """Write one more entry, durably, and forget its key."""
        plain = Seal(number=self._number, time=time, seq=link.seq, chain=link.digest, **more)  # type: ignore[arg-type]
        seal = plain.signed(self._key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._make_folder()  # somebody may have removed it
        handle = os.open(self.folder / FILE, flags, 0o640)
        with os.fdopen(handle, "ab", buffering=0) as file:
            size = file.tell()
            try:
                _write_all(file, msgspec.json.encode(seal) + b"\n")
                os.fdatasync(file.fileno())
                self._keep_key(self._number + 1, following(self._key))
            except BaseException:  # a disk that is full: neither a torn seal nor one too many
                file.truncate(size)
                raise
        self._note(seal)

    def read(self) -> Iterator[Seal | None]:
        """The entries in order; None for a line that is none."""
        try:
            data = (self.folder / FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        for line in data.splitlines():
            try:
                yield _decode(line)
            except msgspec.MsgspecError:
                yield None

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _note(self, seal: Seal) -> None:
        if seal.kind == "seal":
            self.last = seal
        elif seal.kind == "thinned":
            self.thinned[seal.segment] = seal

    def _end_torn_line(self) -> None:
        """What a crash tore becomes a line of its own, which is no seal."""
        with contextlib.suppress(FileNotFoundError), (self.folder / FILE).open("rb+") as file:
            if file.seek(0, os.SEEK_END) and not _ends_line(file):
                file.write(b"\n")

    def _keep_key(self, number: int, key: bytes) -> None:
        write_atomically(self.folder / KEY, _text(number, key), 0o600)
        self._number, self._key = number, key


_decode = msgspec.json.Decoder(Seal).decode


def _write_all(file: IO[bytes], data: bytes) -> None:
    """A disk that becomes full takes a part of what is written first."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _ends_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def stored_key(folder: Path) -> tuple[int, bytes] | None:
    """The next seal's number and its key; None where they are not there, or no key."""
    return next(iter(keys(folder / KEY).items()), None)


def keys(path: Path) -> dict[int, bytes]:
    """The keys that a file holds, by the number of the first seal each signs; none: empty.

    A store has one such key; it begins another where the next one was lost.
    """
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return {}
    found = (re.fullmatch(r"(\d{1,12}) ([0-9a-f]{64})", line) for line in lines)
    return {int(match[1]): bytes.fromhex(match[2]) for match in found if match}


def _text(number: int, key: bytes) -> str:
    return f"{number} {key.hex()}\n"

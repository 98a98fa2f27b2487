"""Request heads that come in several segments: put together, whatever the order of the segments.

A head is followed until it and the body it announces are there, `MOST_BYTES` or `MOST_SEGMENTS` are
reached, the server answers, or nothing comes for `WAIT_NS`; then it is handed over as it is. Of
bytes that are sent twice the first are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mlids.web.requests import METHODS, body_begin, body_length
from mlids.web.segments import Key, Segment

MOST_BYTES = 4096
MOST_SEGMENTS = 512  # an attacker may send single bytes
MOST_PLACES = 10
WAIT_NS = 10_000_000_000
LONGEST_NS = 30_000_000_000  # from the first segment of a head to the last
EARLY_NS = 3_000_000_000  # how long pieces are kept whose beginning is still to come
DONE = 4096  # connections of which is known how far their requests were examined
_SPACE = 1 << 32
_NEAR = 1 << 16

Piece = tuple[int, bytes, bool]  # sequence number, text, whether more was sent than captured


class Head(msgspec.Struct):
    """A request as far as it came. seq: of its first byte; places: evidence, in order of arrival;
    early: segments that wait for what is before them.
    """

    key: Key
    seq: int
    first_ns: int
    last_ns: int
    text: bytes = b""
    places: list[dict[str, Any]] = []
    early: list[Piece] = []
    segments: int = 1
    cut: bool = False

    @property
    def next(self) -> int:
        """The sequence number behind what is there."""
        return (self.seq + len(self.text)) % _SPACE

    @property
    def done(self) -> bool:
        """Whether there is nothing to wait for."""
        if self.cut or len(self.text) >= MOST_BYTES or self.segments >= MOST_SEGMENTS:
            return True
        wanted = body_length(self.text)
        return wanted is not None and len(self.text) >= body_begin(self.text) + wanted

    def add(self, segment: Segment) -> None:
        """Take one more segment; one that says nothing new does not count."""
        self.last_ns = segment.time_ns
        piece = (segment.seq, segment.text, segment.cut)
        old = _ahead(segment.seq + len(segment.text), self.next) <= 0
        if old or piece in self.early or _room(self.early) < len(segment.text):
            return
        self.segments += 1
        if len(self.places) < MOST_PLACES:
            self.places.append(segment.place)
        self.early.append(piece)
        self.advance()

    def advance(self) -> None:
        """Join what has become the next piece."""
        going = True
        while going and not self.cut:
            going = False
            for piece in list(self.early):
                behind = _ahead(self.next, piece[0])  # bytes of it that are there already
                if behind >= 0:
                    self.early.remove(piece)
                    if behind < len(piece[1]):
                        self.text += piece[1][behind:]
                        self.cut = piece[2]
                        going = True


class Heads:
    """Unfinished heads by connection; the one longest without a segment goes first, handed over.

    most: heads kept; `evicted` counts those that went for lack of room.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._heads: dict[Key, Head] = {}  # ordered by last segment
        self._strays: dict[Key, Head] = {}
        self._done: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._heads)

    def slots(self) -> set[int]:
        """Slots of the connections whose next segments are wanted."""
        return {key.slot for key in self._heads}

    def take(self, segment: Segment, begins: bool, stray: bool) -> Iterator[Head]:
        """Take a client's segment; yields heads that it completes or pushes out.

        begins: it begins a request; stray: it may be a piece whose beginning comes later. One that
        is neither only counts where it goes on with a head.
        """
        head = self._heads.pop(segment.key, None)
        if head is not None and not _belongs(segment, head):
            yield self._finished(head)
            head = None
        if head is not None:
            head.add(segment)
        elif self._known(segment):
            return
        elif begins or (stray and _may_begin(segment.text)):
            head = self._new(segment)
        else:
            if stray:
                self._keep(segment)
            return
        if head.done:
            yield self._finished(head)
        else:
            yield from self._put(head)

    def _known(self, segment: Segment) -> bool:
        """Whether all of a segment was examined already: it was sent again."""
        done = self._done.get(segment.key)
        return done is not None and -_NEAR < _ahead(segment.seq + len(segment.text), done) <= 0

    def _new(self, segment: Segment) -> Head:
        time, text = segment.time_ns, segment.text
        head = Head(segment.key, segment.seq, time, time, text, [segment.place], cut=segment.cut)
        stray = self._strays.pop(segment.key, None)
        if stray is not None and stray.last_ns + EARLY_NS >= time:
            head.early = [p for p in stray.early if 0 <= _ahead(p[0], head.next) < MOST_BYTES]
            head.places = (head.places + stray.places)[:MOST_PLACES]
            head.advance()
        return head

    def _keep(self, segment: Segment) -> None:
        """Keep a piece whose beginning may come later."""
        stray = self._strays.pop(segment.key, None)
        if stray is None or stray.last_ns + EARLY_NS < segment.time_ns:
            stray = Head(segment.key, segment.seq, segment.time_ns, segment.time_ns)
        stray.last_ns = segment.time_ns
        if _room(stray.early) >= len(segment.text):
            stray.early.append((segment.seq, segment.text, segment.cut))
            stray.places.append(segment.place)
        self._strays[segment.key] = stray
        if len(self._strays) > self.most:
            del self._strays[next(iter(self._strays))]
            self.evicted += 1

    def _put(self, head: Head) -> Iterator[Head]:
        self._heads[head.key] = head
        if len(self._heads) > self.most:
            self.evicted += 1
            yield self._finished(self._heads.pop(next(iter(self._heads))))

    def _finished(self, head: Head) -> Head:
        self._done.pop(head.key, None)
        self._done[head.key] = head.next
        if len(self._done) > DONE:
            del self._done[next(iter(self._done))]
        # What is left waits for bytes that never came; it is looked at without them.
        for _, text, _ in sorted(head.early, key=lambda piece: _ahead(piece[0], head.seq)):
            head.text += b"\n" + text
        return head

    def answered(self, segment: Segment) -> Iterator[Head]:
        """The server answers: what is there is the request, unless it asks for more."""
        key = segment.key.turned()
        head = self._heads.get(key)
        if head is not None and _ahead(segment.ack, head.next) >= 0 and not _asks_on(segment):
            del self._heads[key]
            yield self._finished(head)

    def expire(self, now_ns: int) -> Iterator[Head]:
        """Heads for which waiting ended before `now_ns`."""
        while self._heads:
            head = next(iter(self._heads.values()))
            if head.last_ns + WAIT_NS >= now_ns:
                return
            del self._heads[head.key]
            yield self._finished(head)

    def flush(self) -> Iterator[Head]:
        """All that are left."""
        heads, self._heads = self._heads, {}
        for head in heads.values():
            yield self._finished(head)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        tables = (self._heads.values(), self._strays.values())
        done = [[*key, end] for key, end in self._done.items()]
        return [*([msgspec.structs.astuple(head) for head in heads] for heads in tables), done]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        heads, strays = ([_head(values) for values in table] for table in state[:2])
        self._heads = {head.key: head for head in heads}
        self._strays = {head.key: head for head in strays}
        self._done = {Key(*key): end for *key, end in state[2]}


def _head(values: list[Any]) -> Head:
    head = Head(*values)
    head.key = Key(*head.key)
    head.early = [(seq, text, cut) for seq, text, cut in head.early]
    return head


def _belongs(segment: Segment, head: Head) -> bool:
    """Whether a segment goes on with a head; else it is of a later connection of the same ends."""
    if segment.time_ns > head.first_ns + LONGEST_NS:
        return False
    return -_NEAR < _ahead(segment.seq, head.seq) < _NEAR


def _asks_on(segment: Segment) -> bool:
    """Whether an answer is "100 Continue": the body may come."""
    return segment.text[8:11] == b" 10"


def _room(early: list[Piece]) -> int:
    """Bytes that may still wait; a piece counts 64 bytes more than it has."""
    return MOST_BYTES - sum(len(text) + 64 for _, text, _ in early)


def _may_begin(text: bytes) -> bool:
    """Whether a text begins a request, or may once more of it is there."""
    return any(text.startswith(m + b" ") or (m + b" ").startswith(text) for m in METHODS)


def _ahead(seq: int, of: int) -> int:
    """How far a sequence number lies ahead of another; negative where it lies behind."""
    return (seq - of + (_SPACE >> 1)) % _SPACE - (_SPACE >> 1)

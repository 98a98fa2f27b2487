"""A thread that asks AWS for what is new in several groups in turn, and hands it on as batches.

It is a thread of its own because AWS may not answer for a minute: whoever takes the batches can
end at once, and leaves the thread to itself. A group that fails is told once and asked again with
growing pauses, the others go on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlids.batches import LineBatch
from mlids.cloudwatch import faults
from mlids.cloudwatch.follower import Follower, Following
from mlids.cloudwatch.lines import StreamLines
from mlids.cloudwatch.reading import Stopped
from mlids.errors import TRY_AGAIN, MLIDSError

_log = logging.getLogger(__name__)
LONGEST_PAUSE_S = 300.0
ROOM = 8  # batches that wait to be taken
WAIT_S = 0.1  # until it is noticed that nobody takes them any more

RENEWED = ("E201", "E202")  # keys may have been renewed where boto3 found them once
AGAIN = "MLIDS tries again by itself"


class Piece(NamedTuple):
    """A batch; or, behind the batches of a window, the place in the group that they lead to.

    closed: ms since 1970; behind that place nothing earlier comes.
    """

    group: Group
    batch: LineBatch | None = None
    state: Following | None = None
    closed: int = 0


@dataclass(eq=False)
class Group:
    """One group that is watched, and how it fares.

    begun: makes its follower; a second one, which goes on where another stopped, with credentials
    that are looked for anew.
    """

    lines: StreamLines
    begun: Callable[[threading.Event, Following | None], Follower]
    state: str = "waiting"
    note: str = ""
    follower: Follower | None = None
    stopped: Following | None = None  # where one stopped that is not used any more
    closed: int = 0  # of the last piece that was taken
    told: str = ""  # the code of its failure
    due: float = 0.0
    pause: float = 0.0

    @property
    def name(self) -> str:
        """The group's name."""
        return self.lines.group


class Poller:
    """Asks for each group's news every `every_s` seconds, in a thread.

    tell: hears, in that thread, of each failure once.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        every_s: float,
        region: Callable[[], str],
        tell: Callable[[MLIDSError], None],
    ) -> None:
        self.stop = threading.Event()
        self._left = threading.Event()
        self._groups = groups
        self._every_s = every_s
        self._region = region
        self._tell = tell
        self._pieces: queue.Queue[Piece] = queue.Queue(ROOM)
        self._thread = threading.Thread(target=self._run, name="cloudwatch polls", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def taken(self, wait_s: float) -> Piece | None:
        """What comes next, None where nothing does in time."""
        try:
            piece = self._pieces.get(timeout=wait_s)
        except queue.Empty:
            return None
        piece.group.closed = max(piece.group.closed, piece.closed)
        return piece

    def rest(self, seconds: float) -> Iterator[Piece]:
        """What was read already, and what is read in a moment: no more is begun."""
        self.stop.set()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (piece := self.taken(WAIT_S / 5)) is not None:
                yield piece
            elif not self._thread.is_alive() and self._pieces.empty():
                return

    def leave(self) -> None:
        """Nothing is taken any more; the thread ends as soon as AWS lets it."""
        self.stop.set()
        self._left.set()

    def _run(self) -> None:
        while not self.stop.is_set():
            for group in self._groups:
                if time.monotonic() >= group.due and not self.stop.is_set():
                    self._ask(group)
            pause = min(group.due for group in self._groups) - time.monotonic()
            self.stop.wait(max(0.0, pause))

    def _ask(self, group: Group) -> None:
        try:
            self._poll(group)
        except Stopped:
            return
        except Exception as error:
            self._fail(group, error)
        else:
            group.state, group.note, group.told, group.pause = "ok", "", "", 0.0
            group.due = time.monotonic() + self._every_s

    def _poll(self, group: Group) -> None:
        if group.follower is None:
            group.follower = group.begun(self.stop, group.stopped)
        follower = group.follower
        for events in follower.poll(time.time_ns() // 1_000_000):
            for batch in group.lines.batches(events, time.time_ns):
                self._put(Piece(group, batch))
            self._put(Piece(group, None, follower.state(), follower.closed))
            if group.state == "waiting":
                group.state = "ok"

    def _put(self, piece: Piece) -> None:
        while not self._left.is_set():
            try:
                return self._pieces.put(piece, timeout=WAIT_S)
            except queue.Full:
                continue
        raise Stopped

    def _fail(self, group: Group, error: Exception) -> None:
        told = faults.told(error, group=group.name, region=self._region())
        if not faults.is_fault(error) and told is not error:
            _log.exception("log group %s cannot be followed", group.name, exc_info=error)
        if group.told != told.code:
            hint = AGAIN if told.exit_status == TRY_AGAIN else told.hint
            self._tell(MLIDSError(told.code, told.message, hint))
        if told.code in RENEWED and group.follower is not None:
            group.stopped, group.follower = group.follower.state(), None
        group.state, group.note, group.told = "failed", told.message, told.code
        group.pause = min(2 * group.pause or max(1.0, self._every_s), LONGEST_PAUSE_S)
        group.due = time.monotonic() + group.pause

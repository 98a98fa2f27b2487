"""CloudWatch log groups, followed as their events come, or read over a period.

Each event is a line of its stream. Nothing is lost over a restart: the place in each group is kept
once what it led to is stored. Events that come late are found (see `mlids.cloudwatch.follower`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids import registry
from mlids.batches import InputStatus, LineBatch, LogFormat, Monitor
from mlids.errors import MLIDSError
from mlids.lines.recognition import Formats, Ledger

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access
    from mlids.cloudwatch.bookmarks import Bookmarks
    from mlids.cloudwatch.follower import Follower, Following
    from mlids.cloudwatch.polling import Group, Piece, Poller

WAIT_S = 0.1  # until a stop is noticed
REST_S = 0.3  # how long what was read already is given after a stop
HEARTBEAT_S = 1.0
ATTEMPTS = 3  # of a request; the monitor itself asks again
MS = 1_000_000  # ns


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the CloudWatch monitor."""

    log_groups: Annotated[
        list[str], msgspec.Meta(description="Log groups that are followed; empty: none")
    ] = []
    streams: Annotated[
        list[str], msgspec.Meta(description="Names and patterns of streams; empty: all")
    ] = []
    region: Annotated[
        str, msgspec.Meta(description="AWS region; empty: of the environment, or us-east-1")
    ] = ""
    profile: Annotated[
        str, msgspec.Meta(description="Profile in ~/.aws; empty: as AWS's own tools choose")
    ] = ""
    role_arn: Annotated[str, msgspec.Meta(description="IAM role to assume")] = ""
    external_id: Annotated[str, msgspec.Meta(description="External id that this role asks for")] = (
        ""
    )
    endpoint_url: Annotated[
        str, msgspec.Meta(description="Another address of CloudWatch Logs: a VPC endpoint")
    ] = ""
    filter_pattern: Annotated[
        str, msgspec.Meta(description="Only events in which AWS finds this pattern")
    ] = ""
    poll_s: Annotated[
        float, msgspec.Meta(ge=0.1, le=3600, description="Seconds between two looks at a group")
    ] = 10
    overlap_s: Annotated[
        float,
        msgspec.Meta(ge=0, le=86400, description="Seconds that events may come late"),
    ] = 120
    requests_per_second: Annotated[
        float, msgspec.Meta(ge=0, le=1000, description="Of each kind of call, at most; 0: any")
    ] = 5
    since_hours: Annotated[
        float,
        msgspec.Meta(ge=0, le=87600, description="Hours to look back at first, without a place"),
    ] = 0
    format: Annotated[
        str, msgspec.Meta(description="Name of the log format; empty: told from the lines")
    ] = ""
    formats: Annotated[
        dict[str, str],
        msgspec.Meta(description="By group/stream or glob the name of its format; the first"),
    ] = msgspec.field(default_factory=dict)
    max_line: Annotated[
        int, msgspec.Meta(ge=256, le=16 << 20, description="Bytes of the longest line that is kept")
    ] = 262_144
    checkpoint: Annotated[
        str | None,
        msgspec.Meta(
            description="File that keeps the places reached over restarts", extra={"key": ""}
        ),
    ] = None
    known_formats: Annotated[
        Any,
        msgspec.Meta(description="The formats there are, made as configured", extra={"key": ""}),
    ] = None
    access: Annotated[
        Any, msgspec.Meta(description="Access to AWS, where there is one", extra={"key": ""})
    ] = None
    follow: Annotated[
        bool,
        msgspec.Meta(description="Wait for more; otherwise read a period once", extra={"key": ""}),
    ] = True
    start_ms: Annotated[
        int, msgspec.Meta(description="Begin of that period, ms since 1970", extra={"key": ""})
    ] = 0
    end_ms: Annotated[
        int, msgspec.Meta(description="The ms behind its last one", extra={"key": ""})
    ] = 0


class Cloudwatch(Monitor):
    """Yields the events of CloudWatch log groups as lines, those of each stream apart."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        from mlids.cloudwatch.access import checked
        from mlids.cloudwatch.bookmarks import Bookmarks

        super().__init__(**options)
        chosen = self.settings
        if chosen.endpoint_url:
            checked(chosen.endpoint_url)
        self._formats = chosen.known_formats or Formats(registry.names("formats"), _format)
        self._ledgers = {name: Ledger() for name in chosen.log_groups}
        self._gaps: Counter[str] = Counter()
        self._groups = [self._group(name) for name in self._ledgers]
        self._bookmarks: Bookmarks = Bookmarks(chosen.checkpoint)
        self._begun_at: dict[str, Following] = {}
        self._access: Access | None = chosen.access
        self._poller: Poller | None = None
        self._place = 0

    def _group(self, name: str) -> Group:
        from mlids.cloudwatch.lines import StreamLines
        from mlids.cloudwatch.polling import Group

        chosen = self.settings
        rules = chosen.format, chosen.formats, chosen.max_line, self._ledgers[name]
        return Group(
            StreamLines(name, self._formats, *rules), lambda *given: self._begun(name, *given)
        )

    def open(self) -> None:
        """Take up the places; AWS is asked later, in a thread. Raises `MLIDSError` E103."""
        self.close()
        if not self.settings.follow:
            return
        since = time.time_ns() // MS - int(self.settings.since_hours * 3_600_000)
        try:
            self._begun_at = self._bookmarks.begin(self._ledgers, since)
        except OSError as error:
            raise self._unkept(error) from error

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The lines of all groups as they come; an empty batch each idle second."""
        if not self._groups:
            return iter(())
        return self._follow(stop) if self.settings.follow else self._scan(stop)

    def _follow(self, stop: threading.Event) -> Iterator[LineBatch]:
        from mlids.cloudwatch.polling import Poller

        if not self._begun_at:
            self.open()
        # Of its own: a thread that AWS does not let go yet goes on with those before.
        self._groups = [self._group(name) for name in self._ledgers]
        poller = self._poller = Poller(self._groups, self.settings.poll_s, self._region, self.tell)
        poller.start()
        beat = time.monotonic()
        while not stop.is_set():
            piece = poller.taken(WAIT_S)
            if piece is not None:
                yield from self._given(piece)
            elif time.monotonic() - beat >= HEARTBEAT_S - WAIT_S:
                beat = time.monotonic()
                yield _heartbeat(self._now())
        for piece in poller.rest(REST_S):
            yield from self._given(piece)
        yield _heartbeat(self._now())  # the place behind the last batch goes with it

    def _given(self, piece: Piece) -> Iterator[LineBatch]:
        if piece.batch is not None:
            yield piece.batch
        elif piece.state is not None:
            self._place += 1
            self._bookmarks.note(self._place, piece.group.name, piece.state)

    def _now(self) -> int:
        """Before this time nothing comes any more from the groups that can be read."""
        groups = [one for one in self._groups if one.state != "failed"]
        if not groups:
            return time.time_ns() - int(self.settings.overlap_s * 1e9)
        return min(one.closed for one in groups) * MS

    def _scan(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The period of all groups. Raises `MLIDSError` for what cannot be read."""
        from mlids.cloudwatch import faults
        from mlids.cloudwatch.reading import Stopped

        for group in self._groups:
            counts = self._ledgers[group.name].counts
            try:
                follower = group.begun(stop, None)
                group.state = "ok"
                while follower.closed < self.settings.end_ms:
                    for events in follower.poll(self.settings.end_ms):
                        for batch in group.lines.batches(events):
                            counts["bytes"] = counts.get("bytes", 0) + len(batch.data)
                            yield batch
            except Stopped:
                return
            except Exception as error:
                if not faults.is_fault(error):
                    raise
                told = faults.told(error, group=group.name, region=self._region())
                group.state, group.note = "failed", told.message
                raise told from error

    def _begun(self, name: str, stop: threading.Event, stopped: Following | None) -> Follower:
        """A follower of a group, from its place on; a second one has other access to AWS."""
        from mlids.cloudwatch.follower import following

        chosen = self.settings
        if self._access is None or stopped is not None:
            self._access = chosen.access or _access(chosen)
        follower = following(
            self._access,
            name,
            chosen.streams,
            chosen.start_ms,
            overlap_ms=round(chosen.overlap_s * 1000) if chosen.follow else 0,
            filter_pattern=chosen.filter_pattern,
            stop=stop,
            tell=lambda error: self._missed(name, error),
        )
        if chosen.follow:
            follower.restore(stopped or self._begun_at[name])
        return follower

    def _region(self) -> str:
        return self._access.region if self._access is not None else self.settings.region

    def _missed(self, group: str, error: MLIDSError) -> None:
        """Something of a group could not be had."""
        self._gaps[group] += 1
        self.tell(error)

    def reached(self) -> int:
        """The number of the place behind what was yielded."""
        return self._place

    def delivered(self, reached: Any = None) -> None:
        """Keep the places reached: everything up to there is stored."""
        try:
            self._bookmarks.delivered(self._place if reached is None else int(reached))
        except OSError as error:
            self.tell(self._unkept(error))

    def _unkept(self, error: OSError) -> MLIDSError:
        place = f"{self.settings.checkpoint}: {error.strerror or error}"
        return MLIDSError("E103", f"places reached in log groups cannot be kept: {place}")

    def close(self) -> None:
        """Ask no more, and write down the places whose events are stored."""
        if self._poller is None:
            return
        self._poller.leave()
        self._poller, self._begun_at = None, {}
        try:
            self._bookmarks.write()
        except OSError as error:
            self.tell(self._unkept(error))

    def inputs(self) -> list[InputStatus]:
        """Each group with its ledger, and how often something of it was missed."""
        return [self._status(group) for group in self._groups]

    def _status(self, group: Group) -> InputStatus:
        counts = self._ledgers[group.name].counts | {"gaps": self._gaps[group.name]}
        return InputStatus(f"cloudwatch {group.name}", "log", group.state, group.note, counts)


def _heartbeat(now: int) -> LineBatch:
    none = np.empty(0, dtype=np.int64)
    return LineBatch(b"", none, none, none, source="cloudwatch", now=now, written=now)


def _access(chosen: Settings) -> Access:
    from mlids.cloudwatch.access import Access

    return Access(
        chosen.region or None,
        profile_name=chosen.profile or None,
        role_arn=chosen.role_arn or None,
        external_id=chosen.external_id or None,
        endpoint_url=chosen.endpoint_url or None,
        requests_per_second=chosen.requests_per_second,
        attempts=ATTEMPTS,
    )


def _format(name: str) -> LogFormat:
    made = registry.plugin("formats", name)()
    assert isinstance(made, LogFormat)
    return made

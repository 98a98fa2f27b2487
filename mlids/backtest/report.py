"""What a backtest reports: typed, so that JSON can carry it."""

from __future__ import annotations

import msgspec

from mlids.backtest.changes import Change


class Detection(msgspec.Struct, kw_only=True):
    """What was, or would be, told of one entity without a long pause.

    severity: the gravest; was: the gravest before, where that differs; event: id of a stored event
    of it, "" where it is none; events: how many; why: what decides; sure: False where more may have
    come than was recorded; succeeded: the address logged in afterwards, "" or when.
    """

    type: str
    rule: str
    entity: str
    severity: str
    was: str = ""
    first: str
    last: str
    event: str = ""
    events: int
    why: str = ""
    sure: bool = True
    succeeded: str = ""


class Kind(msgspec.Struct, kw_only=True):
    """One rule: its events as stored, as replayed with the settings as they are, and changed.

    gone, new: detections; basis: what that rests on.
    """

    type: str
    rule: str
    basis: str
    stored: int
    before: int
    after: int
    gone: int
    new: int


class Check(msgspec.Struct):
    """How well the replay with the settings as they are tells what is stored.

    missing: stored detections that it does not tell, the first of them.
    """

    stored: int
    reproduced: int
    missing: list[Detection]


class Unjudged(msgspec.Struct):
    """Stored events that could not be judged, and why."""

    rule: str
    events: int
    why: str


class Noise(msgspec.Struct):
    """Events a day, and those of HIGH or more."""

    events: float
    grave: float


class BacktestReport(msgspec.Struct, kw_only=True):
    """The answer. Times are UTC.

    detections: how many the replay with the settings as they are has, of all that may differ;
    gone, new, severity: the first `LISTED` detections that the change silences, adds or tells more
    or less gravely, and in all of each; unsure: of those that are gone; succeeded: of those that
    are gone, whose address logged in afterwards; read, bytes: files that were read again.
    """

    since: str
    until: str
    made: str
    changes: list[Change]
    verdict: str
    detections: int
    gone: list[Detection]
    new: list[Detection]
    severity: list[Detection]
    gone_in_all: int
    new_in_all: int
    severity_in_all: int
    unsure: int
    succeeded: int
    kinds: list[Kind]
    check: Check
    unjudged: list[Unjudged]
    notes: list[str]
    noise_stored: Noise
    noise_before: Noise
    noise_after: Noise
    read: list[str]
    bytes: int

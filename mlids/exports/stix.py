"""STIX 2.1 (OASIS Standard, 10 June 2021): one bundle, its objects one a line.

Each event is Observed Data that refers to addresses, accounts, files and traffic; for each of its
ATT&CK techniques there is a Sighting of the Attack Pattern, for an alert without one a Sighting of
the Indicator that its rule is. An event in which nothing can be observed is a Note about its host.

Identifiers follow from the content (section 2.9), so that the same event has the same ones in each
export. Objects that many events share are written again, unchanged, when they were not needed for
the last `REMEMBERED` others: memory is bounded. The bundle's own identifier stands at its end.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from mlids.encoders import json_safe
from mlids.events import Event, format_time
from mlids.exports.facts import Attack, Endpoint, Facts, facts, filled, text
from mlids.identity import detection_id

Object = dict[str, Any]
SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # given by section 2.9
SINCE = "2025-01-01T00:00:00.000Z"  # when objects came to be that belong to no event
REMEMBERED = 1 << 16  # shared objects that are known to be written
MOST = 999_999_999  # number_observed and count end there
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
_encode = msgspec.json.Encoder().encode


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """The bundle."""
    written, content = _Written(), hashlib.sha256()
    first = json_safe(_encode(MLIDS))
    yield b'{"type":"bundle","objects":[\n' + first
    for event in events:
        for made in objects(facts(event)):
            if written.news(made):
                piece = json_safe(_encode(made))
                content.update(piece)
                yield b",\n" + piece
    yield b'\n],"id":"%b"}\n' % _id("bundle", content.hexdigest()).encode()


def objects(told: Facts) -> Iterator[Object]:
    """The objects of one event, those that others may refer to first."""
    host = _identity(told.host) if told.host else MLIDS
    seen = list(_observables(told))
    what = _observed(told, seen) if seen else _note(told, host)
    yield from (host, *seen, what)
    for pattern in _patterns(told):
        yield pattern
        yield _sighting(told, pattern, host, [what["id"]] if seen else [])


class _Written:
    """Which shared objects stand in the bundle, the latest `REMEMBERED`."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict({MLIDS["id"]: None})

    def news(self, made: Object) -> bool:
        """Whether an object is still to be written; from now on it is not."""
        if made["type"] in ("observed-data", "note", "sighting"):
            return True
        known = made["id"] in self._ids
        self._ids[made["id"]] = None
        self._ids.move_to_end(made["id"])
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return not known


def _observables(told: Facts) -> Iterator[Object]:
    ends = [_address(end) for end in (told.source, told.target)]
    yield from (end for end in ends if end)
    if told.protocol and any(ends):
        yield _traffic(told, *ends)
    if told.user:
        yield _sco("user-account", account_login=told.user)
    if told.path:
        yield from _file(told)


def _address(end: Endpoint) -> Object:
    if not end.ip:
        return {}
    return _sco("ipv6-addr" if ":" in end.ip else "ipv4-addr", value=end.ip)


def _traffic(told: Facts, source: Object, target: Object) -> Object:
    """Network traffic; its protocols stand from the outer to the inner (section 6.12)."""
    outer = (source or target)["type"].removesuffix("-addr")
    return _sco(
        "network-traffic",
        src_ref=source.get("id"),
        dst_ref=target.get("id"),
        src_port=told.source.port,
        dst_port=told.target.port,
        protocols=[outer, told.protocol],
    )


def _file(told: Facts) -> Iterator[Object]:
    path = told.path.rstrip("/").rpartition("/")[0]
    folder = _sco("directory", path=path) if path else {}
    if folder:
        yield folder
    hashes = filled({"SHA-256": told.sha256})
    name = told.filename or told.path
    yield _sco("file", name=name, hashes=hashes, parent_directory_ref=folder.get("id"))


def _sco(type: str, **properties: Any) -> Object:
    """A cyber-observable; all its properties here are such that contribute to its identifier."""
    told = filled(properties)
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    id = f"{type}--{uuid.uuid5(SCO_NAMESPACE, canonical)}"
    return {"type": type, "spec_version": "2.1", "id": id, **told}


def _sdo(type: str, about: tuple[str, ...], time: str, **properties: Any) -> Object:
    """A domain or relationship object. about: what makes it another one than those of its type."""
    head = {"type": type, "spec_version": "2.1", "id": _id(type, *about)}
    return head | {"created": time, "modified": time} | filled(properties)


def _id(type: str, *about: str) -> str:
    return f"{type}--{detection_id('stix', type, *about)}"


@lru_cache(maxsize=1024)
def _identity(name: str) -> Object:
    return _sdo("identity", (name,), SINCE, name=name, identity_class="system")


MLIDS = _sdo("identity", ("", "MLIDS"), SINCE, name="MLIDS", identity_class="system")


def _told(type: str, told: Facts, *about: str, **properties: Any) -> Object:
    """An object that belongs to one event."""
    sure = None if told.confidence is None else round(100 * told.confidence)
    time = _milliseconds(told.time_ns)
    by = MLIDS["id"]
    return _sdo(type, (told.id, *about), time, created_by_ref=by, confidence=sure, **properties)


def _observed(told: Facts, seen: list[Object]) -> Object:
    return _told(
        "observed-data",
        told,
        first_observed=format_time(told.first_ns),
        last_observed=told.timestamp,
        number_observed=min(told.count, MOST),
        object_refs=list(dict.fromkeys(one["id"] for one in seen)),
        labels=_labels(told),
        external_references=[_reference(told)],
    )


def _note(told: Facts, host: Object) -> Object:
    return _told(
        "note",
        told,
        abstract=told.type,
        content=told.message or told.id,
        object_refs=[host["id"]],
        labels=_labels(told),
        external_references=[_reference(told)],
    )


def _labels(told: Facts) -> list[str]:
    labels = (told.type, told.severity, text(told.event.get("source")), *told.tags)
    return list(dict.fromkeys(filter(None, labels)))


def _reference(told: Facts) -> Object:
    return filled({"source_name": "mlids", "external_id": told.id, "description": told.message})


def _patterns(told: Facts) -> Iterator[Object]:
    yield from (_attack_pattern(attack) for attack in told.attacks)
    if told.is_alert and not told.attacks:
        yield _indicator(told.rule or told.type, told.type)


@lru_cache(maxsize=1024)
def _attack_pattern(attack: Attack) -> Object:
    known = _TECHNIQUE.fullmatch(attack.id)
    url = f"https://attack.mitre.org/techniques/{attack.id.replace('.', '/')}" if known else ""
    reference = {"source_name": "mitre-attack", "external_id": attack.id, "url": url}
    phases = [
        {"kill_chain_name": "mitre-attack", "phase_name": tactic.phase} for tactic in attack.tactics
    ]
    return _sdo(
        "attack-pattern",
        (attack.id,),
        SINCE,
        created_by_ref=MLIDS["id"],
        name=attack.name or attack.id,
        external_references=[filled(reference)],
        kill_chain_phases=phases,
    )


@lru_cache(maxsize=1024)
def _indicator(rule: str, type: str) -> Object:
    """A rule of MLIDS; `pattern_type` is an open vocabulary (section 10.18)."""
    return _sdo(
        "indicator",
        (rule, type),
        SINCE,
        created_by_ref=MLIDS["id"],
        name=type or rule,
        pattern=rule or type or "unknown",
        pattern_type="mlids",
        valid_from=SINCE,
    )


def _sighting(told: Facts, pattern: Object, host: Object, observed: list[str]) -> Object:
    return _told(
        "sighting",
        told,
        pattern["id"],
        first_seen=format_time(told.first_ns),
        last_seen=told.timestamp,
        count=min(told.count, MOST),
        sighting_of_ref=pattern["id"],
        observed_data_refs=observed,
        where_sighted_refs=[host["id"]],
        description=" ".join(filter(None, (told.message, told.reason))),
    )


def _milliseconds(time_ns: int) -> str:
    """`created` and `modified` have three digits (section 3.2)."""
    return f"{format_time(time_ns)[:-4]}Z"

"""Signs in log lines that are no login: refusals, exploits, crashes; rules are data.

A rule of `mlids/rules/log` is one event a line, or, where it says `count`, one detection once so
many lines (or different values of a group) of one source came within its window; what goes on is
told by the volume law.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, cast

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id
from mlids.logins.records import source, text
from mlids.signatures.counting import Count, Counting, evidence
from mlids.signatures.rules import SignRule
from mlids.signatures.search import Hit, hits

SHOWN = 160


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the log rule detector."""

    rules: Annotated[
        list[str],
        msgspec.Meta(
            description="Folders with further rules", extra={"key": "monitoring.log_rules"}
        ),
    ] = []
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, description="Sources remembered for rules that count")
    ] = 50_000


class LogRule(Detector[LineBatch]):
    """Tells what log lines say of attacks that are no logins, by rules that are data."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._folders = tuple(self.settings.rules)
        self._counting = Counting(self.settings.max_keys)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """One event for each line, or for what they add up to."""
        for hit in hits(batch, self._folders):
            if hit.rule.kind == "log":
                rule = cast(SignRule, hit.rule.rule)
                if rule.count == 1:
                    yield _event(batch, hit, rule)
                else:
                    yield from self._counted(batch, hit, rule)
        if not len(batch) and batch.now:
            yield from self._counting.close(batch.now)

    def _counted(self, batch: LineBatch, hit: Hit, rule: SignRule) -> Iterator[Event]:
        yield from self._counting.close(hit.time_ns)
        key = f"{hit.rule.name} {_entity(hit)}"
        place = tuple(batch.evidence(hit.row).values())
        value = text(hit.values.get(rule.distinct)) if rule.distinct else None
        for _ in range(hit.times):
            count = self._counting.add(key, hit.time_ns, place, rule.count, rule.window_s, value)
            if count is not None:
                event = _event(batch, hit, rule, count)
                yield from self._counting.tell(key, event, rule.window_s)

    def flush(self) -> Iterable[Event]:
        """Tell what was held back."""
        return self._counting.flush()

    def save(self) -> dict[str, Any]:
        """Windows, and what is held back."""
        return self._counting.save()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._counting.restore(state)

    def counts(self) -> dict[str, int]:
        """Sources that were forgotten before their time."""
        return {"evicted": self._counting.evicted}


def _address(hit: Hit) -> tuple[str, str]:
    """The address that a line blames, or the name in its place."""
    raw = hit.values.get("src") or (None if hit.rule.tells_source else hit.src)
    return source(raw)[:2] if raw else ("", "")


def _entity(hit: Hit) -> str:
    """Whom a rule counts."""
    address, peer = _address(hit)
    named = (text(hit.values.get(name)) for name in ("user", "path", "what"))
    return address or peer or next((name for name in named if name), "") or text(hit.host)


def _event(batch: LineBatch, hit: Hit, rule: SignRule, count: Count | None = None) -> Event:
    seen = count.seen if count else 1
    address, peer = _address(hit)
    values = {name: text(value) for name, value in hit.values.items() if value}
    where = address or peer or values.get("user") or values.get("path") or values.get("what", "")
    by = f" by {where}" if where else ""
    details: dict[str, Any] = {
        "ip": address,
        "source_host": peer,
        "user": values.get("user", ""),
        "path": values.get("path", ""),
        "target": values.get("target", "") or text(hit.host),
        "service": hit.rule.service,
        "description": f"{rule.title}{by}" + (f", {seen} times" if seen > 1 else ""),
    }
    details = {name: value for name, value in details.items() if value}
    line = batch.line(hit.row)[:SHOWN].decode("utf-8", "backslashreplace")
    extra = {name: values[name] for name in ("what", "method") if name in values}
    details["metadata"] = {"rule": hit.rule.name, "line": line, **extra}
    what = f"different {rule.distinct}" if rule.distinct else "line" if seen == 1 else "lines"
    window = f"within {rule.window_s} s" if rule.count > 1 else "no window"
    own = batch.evidence(hit.row)
    return Event.new(
        rule.type,
        rule.severity,
        "application",
        details,
        time_ns=hit.time_ns,
        rule=f"log_rule/{hit.rule.name}",
        tags=[*rule.tags, hit.rule.service],
        techniques=rule.techniques,
        evidence=evidence(own, count.places) if count else [own],
        explanation=f"{seen} {what} (threshold {rule.count}, {window})",
        correlation_id=detection_id("log_rule", hit.rule.name, *own.values()),
    )

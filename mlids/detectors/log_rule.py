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
from mlids.signatures.rules import SignRule
from mlids.signatures.search import Hit, hits
from mlids.volume import NS, Repeats, Telling
from mlids.windows import Windows, distinct, within

DAY_NS = 86_400 * NS
PLACES = 10
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
        self._windows = Windows(PLACES, DAY_NS, self.settings.max_keys)
        self._repeats: dict[int, Repeats] = {}  # by seconds after which an episode ends
        self._last: dict[str, list[Any]] = {}  # by key: what was said last, and its rule

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
            for repeats in self._repeats.values():
                yield from map(self._telling, repeats.close(batch.now))

    def _counted(self, batch: LineBatch, hit: Hit, rule: SignRule) -> Iterator[Event]:
        key = f"{hit.rule.name} {_entity(hit)}"
        place = tuple(batch.evidence(hit.row).values())
        self._windows.keep = max(self._windows.keep, rule.count)
        value = text(hit.values.get(rule.distinct)) if rule.distinct else ""
        ring = self._windows.add(key, (hit.time_ns, value, place))
        now, window_ns = ring[-1][0], rule.window_s * NS
        recent = within(ring, now, window_ns)
        seen = distinct(ring, now, window_ns, 1) if rule.distinct else len(recent)
        repeats = self._repeats.setdefault(rule.window_s, Repeats(rule.window_s))
        yield from map(self._telling, repeats.close(now))
        if seen < rule.count and repeats.first_seen(key) is None:
            return
        event = _event(batch, hit, rule, seen, [mark[2] for mark in reversed(recent)][:PLACES])
        self._last[key] = [msgspec.to_builtins(dict(event)), rule.window_s]
        yield from map(self._telling, repeats.trigger(key, now))
        if len(self._last) > 2 * self.settings.max_keys:
            self._forget()

    def _telling(self, telling: Telling) -> Event:
        said = self._last[cast(str, telling.key)][0]
        metadata = {**said["details"]["metadata"], "triggers": telling.total}
        details = {**said["details"], "metadata": metadata, "suppressed": telling.suppressed}
        return Event.new(
            said["type"],
            said["severity"],
            said["source"],
            details,
            time_ns=telling.last_ns,
            correlation_id=detection_id("log_rule", telling.key, telling.first_ns),
            **{
                name: said[name]
                for name in ("rule", "tags", "techniques", "evidence", "explanation")
            },
        )

    def _forget(self) -> None:
        alive = [key for key, (_, quiet) in self._last.items() if self._known(key, quiet)]
        self._last = {key: self._last[key] for key in alive}

    def _known(self, key: str, quiet_s: int) -> bool:
        return quiet_s in self._repeats and self._repeats[quiet_s].first_seen(key) is not None

    def flush(self) -> Iterable[Event]:
        """Tell what was held back."""
        for repeats in self._repeats.values():
            yield from map(self._telling, repeats.flush())

    def save(self) -> dict[str, Any]:
        """Windows, and what is held back."""
        self._forget()
        return {
            "windows": self._windows.save(),
            "keep": self._windows.keep,
            "repeats": [[quiet, repeats.save()] for quiet, repeats in self._repeats.items()],
            "last": self._last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._windows.keep = state["keep"]
        self._windows.restore(state["windows"])
        for quiet, saved in state["repeats"]:
            self._repeats[quiet] = Repeats(quiet)
            self._repeats[quiet].restore(saved)
        self._last = {key: list(value) for key, value in state["last"].items()}

    def counts(self) -> dict[str, int]:
        """Keys that were forgotten before their time."""
        evicted = sum(repeats.evicted for repeats in self._repeats.values())
        return {"evicted": self._windows.evicted + evicted}


def _address(hit: Hit) -> tuple[str, str]:
    """The address that a line blames, or the name in its place."""
    raw = hit.values.get("src") or (None if hit.rule.tells_source else hit.src)
    return source(raw)[:2] if raw else ("", "")


def _entity(hit: Hit) -> str:
    """Whom a rule counts."""
    address, peer = _address(hit)
    named = (text(hit.values.get(name)) for name in ("user", "path", "what"))
    return address or peer or next((name for name in named if name), "") or text(hit.host)


def _event(
    batch: LineBatch,
    hit: Hit,
    rule: SignRule,
    seen: int = 1,
    places: list[tuple[Any, ...]] | None = None,
) -> Event:
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
        evidence=[dict(zip(own, place, strict=True)) for place in places] if places else [own],
        explanation=f"{seen} {what} (threshold {rule.count}, {window})",
        correlation_id=detection_id("log_rule", hit.rule.name, *own.values()),
    )

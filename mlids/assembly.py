"""Builds the parts of the rail from the settings; `app` runs them.

Every plugin is found by its name, so no part of MLIDS names a plugin's class.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from mlids import hostlogs, registry
from mlids.batches import Batch, Detector, LineBatch, LogFormat, Monitor
from mlids.config.fields import fields
from mlids.config.schema import extra, section_of
from mlids.config.secrets import resolve_secret
from mlids.errors import ConfigError, MLIDSError
from mlids.events import Correlator, EventFilter, NoSettings, Plugin, Severity
from mlids.lines.recognition import Formats
from mlids.metrics import Metrics
from mlids.retention import Policy

if TYPE_CHECKING:
    from mlids.controls.facts import Circumstances
    from mlids.delivery import Delivery

COMMON = ("enabled", "min_severity", "event_types")  # what a section has beside the plugin's own
Tell = Callable[[MLIDSError], None]


def listed(value: str | list[str]) -> list[str]:
    """One value, a list of them, or none."""
    values = [value] if isinstance(value, str) else value
    return [one for one in values if one and one != "none"]


def section(settings: Any, folder: str, name: str) -> Any:
    """The typed section of a plugin; one without settings has an empty one."""
    title, _, key = section_of(folder, name).partition(".")
    return getattr(getattr(settings, title, None), key, NoSettings())


def build(settings: Any, folder: str, name: str, **given: Any) -> Plugin:
    """A plugin with its section of the settings; `given` are options the program fills in."""
    kind = registry.plugin(folder, name)
    own = msgspec.structs.asdict(section(settings, folder, name))
    options = {key: _resolved(value) for key, value in own.items() if key not in COMMON}
    sources = _sources(kind.Settings)
    options |= {key: _find(settings, source) for key, source in sources.items() if source}
    options |= {key: value for key, value in given.items() if key in sources}
    try:
        return kind(**options)
    except ValueError as error:
        raise ConfigError("E002", f"{section_of(folder, name)}: {error}") from error


@cache
def _sources(kind: type[msgspec.Struct]) -> dict[str, str]:
    """By field of its settings the key that it is filled from, "" where that is its own section."""
    return {field.name: str(extra(field).get("key") or "") for field in fields(kind)}


def _resolved(value: Any) -> Any:
    return resolve_secret(value, os.environ) if isinstance(value, str) else value


def _find(settings: Any, key: str) -> Any:
    for part in key.split("."):
        settings = getattr(settings, part)
    return settings


def detectors(settings: Any, kind: type[Batch]) -> dict[str, Detector[Any]]:
    """Fresh detectors, all that are enabled for batches of this kind."""
    found = {}
    for name, plugin in registry.plugins("detectors").items():
        detector = cast(type[Detector[Any]], plugin)
        if detector.kind is kind and section(settings, "detectors", name).enabled:
            found[name] = cast(Detector[Any], build(settings, "detectors", name))
    return found


def correlators(settings: Any) -> list[Correlator]:
    """Fresh correlators, all that are enabled."""
    return [
        cast(Correlator, build(settings, "correlators", name))
        for name in registry.names("correlators")
        if section(settings, "correlators", name).enabled
    ]


def storing(settings: Any) -> dict[str, Any]:
    """How events are stored, as options of an `EventLogger`, whoever writes them."""
    kept = settings.logging
    return {
        "logs_dir": kept.logs_dir,
        "max_size": kept.max_size,
        "rotate_s": kept.rotate_hours * 3600,
        "compression": kept.compression,
        "seals": kept.seals_dir or None,
    }


def retention(settings: Any) -> Policy:
    """How long stored events are kept."""
    kept = settings.logging
    by_severity = {Severity(name).value: days for name, days in kept.retention_by_severity.items()}
    return Policy(kept.retention_days, by_severity, kept.retention_bytes)


def circumstances(settings: Any) -> Circumstances:
    """What the configuration says of this host, for compliance."""
    from mlids.controls.facts import Circumstances

    what, kept = settings.monitoring, retention(settings)
    inputs = [
        f"{kind} {name}"
        for kind, value in (
            ("network", what.interface),
            ("files", what.directory),
            ("logs", what.app_log),
            ("cloudwatch", _log_groups(settings)),
        )
        for name in listed(value)
    ]
    told = {
        name: section(settings, folder, name)
        for folder in ("integrations", "notifiers")
        for name in registry.names(folder)
        if section(settings, folder, name).enabled and name != "console"
    }
    return Circumstances(
        retention_days=min((d for d in (kept.days, *kept.by_severity.values()) if d), default=0),
        inputs=inputs if what.enabled else [],
        told=sorted(told),
        copies=sorted(name for name, chosen in told.items() if _leads_elsewhere(chosen)),
    )


def _leads_elsewhere(chosen: Any) -> bool:
    """Whether a sink's peer is another machine."""
    values = [getattr(chosen, key, "") for key in ("host", "url", "elasticsearch_url")]
    hosts = [urlsplit(value).hostname or value for value in values if value]
    return any(host not in ("localhost", "::1") and not host.startswith("127.") for host in hosts)


def formats(settings: Any) -> Formats:
    """The log formats, each made with its section of the settings."""
    return Formats(
        registry.names("formats"), lambda name: cast(LogFormat, build(settings, "formats", name))
    )


def live_monitors(
    settings: Any, state: Path, own: list[str], interfaces: list[str] | None = None
) -> list[Monitor]:
    """The monitors of `start`: network, files, and all logs as one, as configured.

    state: folder for checkpoints; own: files and folders that MLIDS itself writes; interfaces: in
    place of the configured ones.
    """
    what, found = settings.monitoring, []

    def add(name: str, **given: Any) -> None:
        if section(settings, "monitors", name).enabled:
            found.append(cast(Monitor, build(settings, "monitors", name, **given)))

    if not what.enabled:
        return []
    if chosen := interfaces or listed(what.interface):
        add("network", interfaces=chosen)
    if folders := listed(what.directory):
        add("files", paths=folders, own=own)
    made: dict[str, Any] = {"known_formats": formats(settings)}
    logs = listed(what.app_log)
    automatic = "auto" in logs
    paths = [path for path in logs if path != "auto"] + (hostlogs.found() if automatic else [])
    if paths:
        add(
            "logs",
            paths=list(dict.fromkeys(paths)),
            checkpoint=str(state / "logs.json"),
            own=own,
            **made,
        )
    if automatic and hostlogs.journal_needed():
        add("journal", checkpoint=str(state / "journal.json"))
    if getattr(section(settings, "monitors", "syslog"), "listen", ()):
        add("syslog", **made)
    if _log_groups(settings):
        add("cloudwatch", checkpoint=str(state / "cloudwatch.json"), **made)
    return _one_of_lines(found)


def _log_groups(settings: Any) -> list[str]:
    return list(getattr(section(settings, "monitors", "cloudwatch"), "log_groups", ()))


def _one_of_lines(monitors: list[Monitor]) -> list[Monitor]:
    """All inputs of lines are one lane, so that attacks across them are seen."""
    lines = [one for one in monitors if one.kind is LineBatch]
    if not lines or [one.name for one in lines] == ["logs"]:
        return monitors
    from mlids.lines.confluence import Confluence

    return [*(one for one in monitors if one not in lines), Confluence(lines)]


def deliveries(settings: Any, spool: Path, metrics: Metrics, tell: Tell) -> list[Delivery]:
    """One delivery for every sink and notifier that is enabled, not yet started."""
    from mlids.delivery import Delivery  # a scan delivers nothing

    return [
        Delivery(handler, name, filter=wanted, metrics=metrics, spool=spool, tell=tell)
        for name, handler, wanted in handlers(settings)
    ]


def handlers(settings: Any) -> list[tuple[str, Any, EventFilter]]:
    """Every sink and notifier that is enabled, with its filter; E002 where a secret is missing."""
    made: list[tuple[str, Any, EventFilter]] = []
    for folder in ("integrations", "notifiers"):
        for name in registry.names(folder):
            chosen = section(settings, folder, name)
            if chosen.enabled:
                handler = build(settings, folder, name)
                types, least = chosen.event_types, chosen.min_severity
                made.append((name, handler, EventFilter(event_types=types, min_severity=least)))
    return made

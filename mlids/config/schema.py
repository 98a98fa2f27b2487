"""What can be configured: the fixed sections here, one section a plugin from its own `Settings`.

`settings_type` puts both together into one typed struct, from which the check, the JSON Schema,
`config.yaml` and the reference are made.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlids import registry
from mlids.addresses import HOME
from mlids.config.fields import fields
from mlids.events import Plugin
from mlids.lines.patterns import UserPattern
from mlids.suppression.thresholding import Thresholding

OneOrMany = str | list[str]
SeverityName = Literal["LOW", "MEDIUM", "MIDDLE", "HIGH", "CRITICAL"]


class Section(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A mapping in the configuration whose every key is known."""


class Monitoring(Section, frozen=True):
    """What is watched."""

    enabled: Annotated[bool, Meta(description="watch at all")] = True
    interface: Annotated[
        OneOrMany, Meta(description="network interface, a list of them, auto, or none")
    ] = "auto"
    directory: Annotated[
        OneOrMany, Meta(description="folder watched for changes, a list of them, or none")
    ] = "."
    app_log: Annotated[
        OneOrMany,
        Meta(
            description="log file, a list of them, a folder, a pattern such as /var/log/*.log,"
            " - (standard input), auto (the host's own), or none"
        ),
    ] = "auto"
    app_log_patterns: Annotated[
        list[UserPattern],
        Meta(
            description="patterns of your own for log lines: name, pattern, fields, severity,"
            " event_type …; see how-to/own-log-patterns.md"
        ),
    ] = []
    log_rules: Annotated[
        list[str],
        Meta(description="folders with further rules: login/*.yaml and log/*.yaml in each"),
    ] = []


class Thresholds(Section, frozen=True):
    """When a detector speaks."""

    port_scan_threshold: Annotated[
        int, Meta(ge=2, le=65535, description="distinct ports of one target before a scan is told")
    ] = 10
    brute_force_threshold: Annotated[
        int,
        Meta(ge=2, le=1000, description="failed logins in 10 minutes before an attack is told"),
    ] = 5
    packet_rate_threshold: Annotated[
        int, Meta(ge=1, description="packets per second towards one target before a flood is told")
    ] = 100
    anomaly_threshold: Annotated[
        float, Meta(gt=0, description="deviations from the usual value before an anomaly is told")
    ] = 3.5


class NetworkSection(Section, frozen=True):
    """Whose addresses are ours, and whom the network detectors leave out."""

    home_networks: Annotated[
        list[str],
        Meta(
            description="addresses and networks that are ours: a scan from one of them is MEDIUM,"
            " from elsewhere HIGH"
        ),
    ] = msgspec.field(default_factory=lambda: list(HOME))
    exclude_ips: Annotated[
        list[str],
        Meta(description="addresses and networks that no network detector looks at"),
    ] = []
    ignore_sources: Annotated[
        list[str],
        Meta(description="addresses and networks that are never blamed: one's own scanners"),
    ] = []
    ignore_targets: Annotated[
        list[str],
        Meta(description="addresses and networks that may be attacked unheard: honeypots"),
    ] = []


class Logging(Section, frozen=True):
    """The event store (always JSON lines) and the diagnostics log mlids.log."""

    logs_dir: Annotated[str, Meta(min_length=1, description="where both are kept")] = "logs"
    file: Annotated[str, Meta(description="ignored: MLIDS names its files in logs_dir itself")] = ""
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="of the diagnostics log")
    ] = "INFO"
    format: Annotated[Literal["json", "text"], Meta(description="of the diagnostics log")] = "json"
    max_size: Annotated[
        int, Meta(ge=4096, description="bytes before the event store and the log rotate")
    ] = 10_485_760
    backup_count: Annotated[
        int, Meta(ge=0, le=1000, description="rotated diagnostics logs that are kept")
    ] = 5
    compression: Annotated[
        Literal["none", "gzip", "zstd"], Meta(description="of rotated event segments")
    ] = "zstd"
    retention_days: Annotated[
        int, Meta(ge=0, description="days before stored events are deleted; 0: never")
    ] = 90
    retention_by_severity: Annotated[
        dict[SeverityName, Annotated[int, Meta(ge=0)]],
        Meta(description="days for single severities, such as {LOW: 14, CRITICAL: 365}"),
    ] = {}
    retention_bytes: Annotated[
        int, Meta(ge=0, description="of all rotated segments together; 0: no bound")
    ] = 0
    rotate_hours: Annotated[
        float,
        Meta(ge=0, description="the event store rotates at the end of each such span; 0: by size"),
    ] = 24
    seals_dir: Annotated[
        str,
        Meta(description="where the seals of the event store are kept; default: logs_dir/seals"),
    ] = ""
    thresholding: Annotated[
        list[Thresholding],
        Meta(
            description="rules by which events that come too often are counted instead of stored:"
            " type, rule, by, kind, count, seconds; see how-to/quiet-a-false-alarm.md"
        ),
    ] = []


class Analysis(Section, frozen=True):
    """Looking back over stored events."""

    window_size: Annotated[int, Meta(ge=1, description="seconds that rates are counted over")] = 300
    statistical_method: Annotated[
        Literal["mad", "zscore", "isolation_forest"], Meta(description="what finds anomalies")
    ] = "mad"
    alert_threshold: Annotated[
        float, Meta(gt=0, le=1, description="isolation forest: share of windows taken as normal")
    ] = 0.95


SECTIONS: dict[str, type[Section]] = {
    "monitoring": Monitoring,
    "thresholds": Thresholds,
    "network": NetworkSection,
    "logging": Logging,
    "analysis": Analysis,
}
SINKS = ("tcp", "websocket")  # these two have a section of their own
HANDLERS = ("sinks", "integrations", "notifiers", "actions")

WHERE = {
    "sinks": "Sinks: where events go as they happen",
    "integrations": "Integrations: systems that events are handed to",
    "monitors": "Monitors: how inputs are read",
    "formats": "Log formats",
    "detectors": "Detectors",
    "correlators": "Correlators",
    "notifiers": "Notifiers: who is told",
    "actions": "Actions: what is done about it",
}

UNUSED: dict[str, str] = {
    "logging.file": "MLIDS names its own files below logging.logs_dir",
}
"""Keys that are accepted and have no effect yet, with what the user is told."""


def section_of(folder: str, name: str) -> str:
    """The key of a plugin's section: ``sinks.tcp``, ``detectors.port_scan``."""
    return f"sinks.{name}" if folder == "integrations" and name in SINKS else f"{folder}.{name}"


def is_shown(field: msgspec.structs.FieldInfo) -> bool:
    """False for a setting that the program fills in itself: ``extra={"key": …}``, or no default."""
    return "key" not in extra(field) and not field.required


def extra(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """The `extra` of a field's Meta: `key` (filled from there), `secret` (never printed)."""
    info = msgspec.inspect.type_info(field.type)
    return dict(getattr(info, "extra", None) or {})


def _common(folder: str, plugin: type[Plugin]) -> list[tuple[str, Any, Any]]:
    """What every plugin of a kind can be told; formats and recordings are used when they fit."""
    recording = any(field.required for field in fields(plugin.Settings))
    if folder == "formats" or recording:
        return []
    common: list[tuple[str, Any, Any]] = [
        ("enabled", Annotated[bool, Meta(description="use it")], plugin.enabled_by_default)
    ]
    if folder in HANDLERS:
        common += [
            (
                "min_severity",
                Annotated[SeverityName, Meta(description="events of this severity and above")],
                "LOW",
            ),
            (
                "event_types",
                Annotated[list[str], Meta(description="only these types; empty: all")],
                msgspec.field(default_factory=list),
            ),
        ]
    return common


def _plugin_section(folder: str, name: str, plugin: type[Plugin]) -> type[msgspec.Struct]:
    own = [
        (field.name, field.type, _default(field))
        for field in fields(plugin.Settings)
        if is_shown(field)
    ]
    return msgspec.defstruct(
        f"{name}_settings",
        _common(folder, plugin) + own,
        bases=(Section,),
        kw_only=True,
        frozen=True,
        namespace={"__doc__": (plugin.__doc__ or name).splitlines()[0]},
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return field.default


def _group(title: str, members: dict[str, type[msgspec.Struct]]) -> type[msgspec.Struct]:
    sections = [(n, t, msgspec.field(default_factory=t)) for n, t in members.items()]
    doc = {"__doc__": WHERE.get(title, "")}
    return msgspec.defstruct(
        title, sections, bases=(Section,), kw_only=True, frozen=True, namespace=doc
    )


@cache
def settings_type(folders: tuple[str, ...] = tuple(registry.FOLDERS)) -> type[msgspec.Struct]:
    """The struct of the whole configuration, plugins included; or only with those of some folders.

    Each plugin is imported for it, which takes longer than all else of a short command.
    """
    groups: dict[str, dict[str, type[msgspec.Struct]]] = {title: {} for title in WHERE}
    for folder in folders:
        for name, plugin in registry.plugins(folder).items():
            title, _, key = section_of(folder, name).partition(".")
            made = _plugin_section(title, name, plugin)
            if fields(made):
                groups[title][key] = made
    sections: dict[str, type[msgspec.Struct]] = dict(SECTIONS)
    order = ["monitoring", "thresholds", "network", "logging", "sinks", "analysis", "integrations"]
    sections |= {title: _group(title, members) for title, members in groups.items() if members}
    names = order + [title for title in sections if title not in order]
    members: list[tuple[str, Any, Any]] = [
        ("version", Annotated[str, Meta(description="of this file's format")], "1.0")
    ]
    members += [
        (name, sections[name], msgspec.field(default_factory=sections[name]))
        for name in names
        if name in sections
    ]
    return msgspec.defstruct("Settings", members, bases=(Section,), kw_only=True, frozen=True)

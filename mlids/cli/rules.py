"""`rules`: which rules there are, which are broken or blind, and what they say to a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from mlids.cli import console, settings
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError

_config = click.option(
    "--config", "path", default="config.yaml", show_default=True, help="Settings."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Listed(msgspec.Struct, frozen=True):
    """One rule as it is listed. status: fires, unable (never fires) or broken; why: why not."""

    kind: str
    id: str
    title: str
    level: str = ""
    status: str = "fires"
    why: str = ""
    path: str = ""
    line: int = 0


@click.group(short_help="List rules, check your own, try them on a log.")
def command() -> None:
    """Rules: those that MLIDS ships, and those that you give it.

    \b
    Examples:
      python index.py rules list
      python index.py rules check /etc/mlids/sigma
      python index.py rules test my-rule.yaml /var/log/nginx/access.log
    """


@command.command("list", short_help="List every rule, and whether it can fire.")
@_config
@_json
@click.pass_context
def list_(ctx: click.Context, path: str, as_json: bool) -> int:
    """List the rules that look at logins, web requests and log lines, and the Sigma rules."""
    manager = settings.manager(ctx, path)
    chosen = _sigma(manager)
    found = [one for kind in KINDS for one in kind()]
    found += _own(manager.settings, manager.settings.monitoring.log_rules)
    found += _listed(chosen, chosen.rules)
    if as_json:
        console.out_json(found)
        return 0
    for one in found:
        mark = "" if one.status == "fires" else click.style(f"  [{one.status}] {one.why}", dim=True)
        name = f"{one.kind}/{one.id}"
        console.out(terminal_safe(f"{name:<46} {one.level:<14} {one.title}") + mark)
    counts = {status: sum(one.status == status for one in found) for status in STATUSES}
    console.note(", ".join(f"{count:,} {STATUSES[status]}" for status, count in counts.items()))
    return 0


@command.command(short_help="Name rules of your own that are broken, or can never fire.")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@_config
@_json
@click.pass_context
def check(ctx: click.Context, paths: tuple[str, ...], path: str, as_json: bool) -> int:
    """Read Sigma rules, and folders of rules for log lines (login/*.yaml, log/*.yaml in them),
    as MLIDS would; without a PATH those of the configuration.

    A rule that can never fire asks for a log or a field that no input provides; one whose examples
    go wrong is broken. Exit status 1 where a rule is broken.
    """
    from mlids.rulebooks import is_rulebook

    manager = settings.manager(ctx, path)
    chosen = _sigma(manager)
    own = [one for one in paths or manager.settings.monitoring.log_rules if is_rulebook(one)]
    paths = tuple(one for one in paths or chosen.rules if one not in own)
    found = [*_own(manager.settings, own), *_listed(chosen, paths)]
    broken = [one for one in found if one.status == "broken"]
    unable = [one for one in found if one.status == "unable"]
    if as_json:
        warnings = [str(one) for one in _warnings(chosen, paths)]
        figures = {"rules": len(found), "broken": broken, "unable": unable, "warnings": warnings}
        console.out_json(figures)
        return 1 if broken else 0
    for one in broken:
        where = f"{one.path}:{one.line}" if one.line else one.path
        console.out(click.style("broken", fg="red") + terminal_safe(f"  {where}: {one.why}"))
    for one in unable:
        text = f"  {one.path}:{one.line}: {one.title}: {one.why}"
        console.out(click.style("unable", fg="yellow") + terminal_safe(text))
    for warning in _warnings(chosen, paths):
        console.note(terminal_safe(f"warning: {warning}"), dim=True)
    able = len(found) - len(broken) - len(unable)
    console.note(f"{len(found):,} rules: {able:,} can fire, {len(unable):,} never can,"
                 f" {len(broken):,} are broken")  # fmt: skip
    return 1 if broken else 0


@command.command(short_help="Try Sigma rules on log files, or on their own examples.")
@click.argument("rule", metavar="RULES")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--format", "kind", help="Format of the files; default: told from the lines.")
@_config
@_json
@click.pass_context
def test(
    ctx: click.Context,
    rule: str,
    files: tuple[str, ...],
    kind: str | None,
    path: str,
    as_json: bool,
) -> int:
    """Hold rules (a file or a folder) against log files, and print what matches where.

    Without a FILE the rules are held against their own examples: rule.examples.yaml beside
    rule.yaml has format, match and no_match. Exit status 1 where something matches, or an example
    goes wrong.
    """
    manager = settings.manager(ctx, path)
    manager.raise_problems()
    if not files:
        return _examples(_sigma(manager), rule, as_json)
    return _scanned(manager.settings, rule, files, kind, as_json)


# -- what there is


def _shipped_lines() -> Iterator[Listed]:
    """Rules over single log lines: logins and other signs."""
    from mlids.signatures.library import library

    for one in library().rules:
        title = getattr(one.rule, "title", "") or f"{one.service}: {one.rule.id.replace('-', ' ')}"
        level = getattr(one.rule, "severity", "")
        yield Listed(one.kind, one.name, title, level.lower())


def _shipped_web() -> Iterator[Listed]:
    """Rules over web requests."""
    from mlids.web.rules import rules

    for one in rules():
        yield Listed("web", one.name, f"{one.type}: {one.rule.id.replace('-', ' ')}")


def _shipped_ingested() -> Iterator[Listed]:
    """Rules over the records of other products."""
    from importlib import resources

    from mlids.ingested.rules import shipped

    folder = resources.files("mlids") / "rules" / "ingested"
    for file in sorted(one.name for one in folder.iterdir() if one.name.endswith(".yaml")):
        known = shipped(file.removesuffix(".yaml"))
        for rule in known.rules:
            yield Listed(
                "ingested", f"{known.product}-{rule.id}", rule.title, rule.severity.lower()
            )


KINDS: tuple[Callable[[], Iterator[Listed]], ...] = (
    _shipped_lines,
    _shipped_web,
    _shipped_ingested,
)
"""A function for each kind of rules that MLIDS ships; Sigma rules come after them."""
STATUSES = {"fires": "can fire", "unable": "never can", "broken": "are broken"}


def _sigma(manager: Any) -> Any:
    manager.raise_problems()
    return manager.settings.detectors.sigma


def _own(chosen: Any, folders: Sequence[str]) -> Iterator[Listed]:
    """Rules for log lines in folders of the user's own, and what their examples say."""
    from mlids.rulebooks import verdicts

    for folder in folders:
        for path, rule, problems in verdicts(chosen, folder):
            name = rule.name if rule else Path(path).stem
            title = getattr(rule.rule, "title", "") if rule else ""
            status = "broken" if problems else "fires"
            yield Listed(Path(path).parent.name, name, title, "", status, "; ".join(problems), path)


def _warnings(chosen: Any, paths: Sequence[str]) -> list[str]:
    return [str(one) for one in _loaded(chosen, paths).warnings] if paths else []


def _loaded(chosen: Any, paths: Sequence[str]) -> Any:
    from mlids.sigma import rules

    return rules.load(list(paths), chosen.placeholders)


def _listed(chosen: Any, paths: Sequence[str]) -> Iterator[Listed]:
    """Sigma rules and correlations with what becomes of them."""
    if not paths:
        return
    from mlids.sigma.engine import Engine
    from mlids.sigma.sources import entries

    known = _loaded(chosen, paths)
    engine = Engine(known, entries(chosen.sources))
    reasons = [(one.rule.meta, one.reason) for one in engine.verdicts]
    never = engine.unable_chains()
    reasons += [(one.meta, never.get(one.meta.id, "")) for one in known.chains]
    for meta, reason in reasons:
        status = "unable" if reason else "fires"
        yield Listed("sigma", meta.id, meta.title, meta.level, status, reason, meta.path, meta.line)
    for one in known.problems:
        stem = Path(one.path).stem
        yield Listed("sigma", stem, one.title or stem, "", "broken", one.reason, one.path, one.line)


# -- trials


def _scanned(chosen: Any, rule: str, files: Sequence[str], kind: str | None, as_json: bool) -> int:
    """Run nothing but these rules over files."""
    from mlids.scanning import Scan

    scan = Scan(_only_sigma(chosen, rule, kind), files, console.tell)
    found = [event.stamped() for event in scan if event["type"] == "Rule Match"]
    if as_json:
        console.out_json(found)
    for event in () if as_json else found:
        place = event.evidence[0] if event.evidence else {}
        where = f"{place.get('source', '')}:{place.get('line', '')}"
        text = f" {where}  {event.rule.removeprefix('sigma/')}  {event.details['description']}"
        console.out(console.severity(event.severity) + terminal_safe(text))
    read = sum(one.counts.get("read", 0) for one in scan.summary.inputs)
    console.note(f"{read:,} lines read, {len(found):,} events")
    return 1 if found else 0


def _only_sigma(chosen: Any, rule: str, kind: str | None) -> Any:
    """The settings with no other detector than the Sigma rules."""
    replace = msgspec.structs.replace
    detectors = chosen.detectors
    off = {
        name: replace(getattr(detectors, name), enabled=False)
        for name in detectors.__struct_fields__
    }
    off["sigma"] = replace(detectors.sigma, enabled=True, rules=[rule], limit_per_minute=100_000)
    monitors = chosen.monitors
    if kind:
        monitors = replace(monitors, logs=replace(monitors.logs, format=kind))
    return replace(chosen, detectors=replace(detectors, **off), monitors=monitors)


def _examples(chosen: Any, rule: str, as_json: bool) -> int:
    """Hold rules against their own examples."""
    from mlids import registry
    from mlids.sigma import examples
    from mlids.sigma.sources import entries

    found: list[examples.Outcome] = []
    for rules, lines in examples.beside([rule]):
        known = examples.load(lines)
        if known.format not in registry.names("formats"):
            raise MLIDSError("E007", f"{lines}: there is no log format {known.format!r}")
        form: Any = registry.plugin("formats", known.format)()
        mapped = entries(chosen.sources)
        found += examples.outcomes(rules, known, form, mapped, chosen.placeholders)
    if not found:
        hint = "name a log file, or write RULE.examples.yaml beside RULE.yaml"
        raise MLIDSError("E007", f"{rule} has no examples", hint)
    wrong = [one for one in found if not one.right]
    if as_json:
        console.out_json([one._asdict() | {"right": one.right} for one in found])
    for one in () if as_json else wrong:
        what = "matches nothing" if one.wanted else f"is matched by {', '.join(one.told)}"
        console.out(terminal_safe(f"{one.path}: {one.lines[0]!r} {what}"), fg="red")
    console.note(f"{len(found) - len(wrong):,} of {len(found):,} examples are right")
    return 1 if wrong else 0

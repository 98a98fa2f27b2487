"""The report of a backtest: its figures, its notes, and one sentence that helps to decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlids.archive import Archive
from mlids.backtest.changes import Change
from mlids.backtest.differing import Differing, Successes
from mlids.backtest.planning import Outcome, Survey
from mlids.backtest.report import BacktestReport, Noise, Unjudged
from mlids.controls.words import counted
from mlids.events import format_time

DAY_NS = 86_400 * 10**9
READING = ("monitors.", "formats.")  # what settings of inputs begin with
NAMED = 20  # files that were not read again, in notes


def report(
    archive: Archive,
    changes: Sequence[Change],
    found: Differing,
    survey: Survey,
    errors: Sequence[str],
    now_ns: int,
) -> BacktestReport:
    """All that a backtest found. errors: what went wrong on the way."""
    period, readable = found.plan.period, found.plan.readable
    successes = Successes(archive, found.plan, found.gone)
    gone = found.detections(found.gone, why=True)
    for one in gone:
        if at := successes.first.get(one.entity):
            one.succeeded = format_time(at)
    made = BacktestReport(
        since=format_time(max(period.since_ns, survey.first_ns)),
        until=format_time(period.until_ns),
        made=format_time(now_ns),
        changes=list(changes),
        verdict="",
        detections=len(found.before.spells),
        gone=gone,
        new=found.detections(found.new),
        severity=found.changed(),
        gone_in_all=len(found.gone),
        new_in_all=len(found.new),
        severity_in_all=len(found.severity),
        unsure=sum(not found.sure(spell) for spell in found.gone),
        succeeded=len({spell.ip for spell in found.gone} & successes.first.keys()),
        kinds=found.kinds(),
        check=found.check(),
        unjudged=[
            Unjudged(plugin, count, why)
            for (plugin, why), count in found.judge.unjudged.most_common()
        ],
        notes=[*_notes(changes, found, survey), *errors],
        noise_stored=_noise(found.stored, survey),
        noise_before=_noise(found.before, survey),
        noise_after=_noise(found.after, survey),
        read=found.plan.files,
        bytes=readable.bytes,
    )
    made.verdict = verdict(made)
    return made


def _noise(outcome: Outcome, survey: Survey) -> Noise:
    """Events a day; a period of less than a day counts as one."""
    period = survey.stored.period
    begin = max(period.since_ns, survey.first_ns)
    days = max(1.0, (period.until_ns - begin) / DAY_NS)
    return Noise(round(outcome.events / days, 2), round(outcome.grave / days, 2))


def verdict(report: BacktestReport) -> str:
    """What the change would have meant, in a few sentences."""
    what = " and ".join(change.text for change in report.changes)
    sentences = [f"{what} {_effect(report)}"]
    if report.unsure:
        sentences.append(
            f"{report.unsure:,} of the silenced ones may still be told: more may have come than"
            " was recorded"
        )
    if report.succeeded:
        sentences.append(
            f"{counted(report.succeeded, 'address', 'addresses')} of the silenced ones logged in"
            " successfully afterwards: look at these before you change it"
        )
    sentences += _doubts(report)
    return ". ".join(sentences) + "."


def _effect(report: BacktestReport) -> str:
    parts = []
    if report.gone_in_all:
        of = counted(report.detections, "detection")
        parts.append(f"would have silenced {report.gone_in_all:,} of {of}")
    if report.new_in_all:
        parts.append(f"would have told {counted(report.new_in_all, 'further detection')}")
    if report.severity_in_all:
        what = counted(report.severity_in_all, "detection")
        parts.append(f"would have told {what} at another severity")
    if not parts:
        return "would have made no difference that can be known from what is stored"
    before, after = report.noise_before, report.noise_after
    text = " and ".join(parts)
    return f"{text}; {after.events:g} events a day instead of {before.events:g}"


def _doubts(report: BacktestReport) -> Iterator[str]:
    check = report.check
    if check.reproduced < check.stored:
        yield (
            f"Take that as an estimate: the replay with the settings as they are reproduced"
            f" {check.reproduced:,} of {counted(check.stored, 'stored detection')}"
        )
    if report.unjudged:
        count = sum(one.events for one in report.unjudged)
        yield f"{counted(count, 'stored event')} could not be judged"


def _notes(changes: Sequence[Change], found: Differing, survey: Survey) -> Iterator[str]:
    """What one must know to believe the figures."""
    yield from _effectless(changes, found)
    yield from _unseen(found)
    refused = found.plan.readable.refused
    for name, why in list(refused.items())[:NAMED]:
        yield f"{name} was not read again: {why}"
    if len(refused) > NAMED:
        yield f"{len(refused) - NAMED:,} further inputs were not read again"
    if survey.suppressed:
        amount = counted(survey.suppressed, "event")
        yield f"suppressions and thresholds kept {amount} out of the store: these are not replayed"
    if left := survey.sources.left_out:
        yield f"{counted(left, 'event')} of further inputs: too many inputs to look for them"
    if any(one.spells.left_out for one in (found.stored, found.before, found.after)):
        kept = counted(len(found.before.spells), "detection")
        yield f"there are too many detections to compare: {kept} are compared, a fair sample"


def _effectless(changes: Sequence[Change], found: Differing) -> Iterator[str]:
    for change in changes:
        if change.before == change.after:
            yield f"{change.key} has this value already"
        elif change.key.startswith(READING):
            yield f"{change.key} says how inputs are read, which is not replayed"
        elif not found.differences and change.key != "logging.thresholding":
            yield f"{change.key} reaches no detector and no correlator"


def _unseen(found: Differing) -> Iterator[str]:
    """What lower thresholds would add, where nothing below the old ones was kept."""
    for name, difference in sorted(found.differences.items()):
        lower = any(
            isinstance(value, int | float) and value < difference.settings[key]
            for key, value in difference.changed.items()
        )
        recorded = found.basis(name).endswith("recorded")
        if recorded and (lower or not difference.enabled[0]):
            yield (
                f"{name}: what stayed below the old threshold was not kept, so what a lower one"
                " would add cannot be known"
            )

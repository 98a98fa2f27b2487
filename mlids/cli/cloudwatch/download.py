"""`cloudwatch download`: streams into files, completely."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mlids.cli import console
from mlids.cli.cloudwatch import fetching, options, shown
from mlids.encoders import terminal_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor
    from mlids.cloudwatch.manifest import Manifest


@click.command(short_help="Download streams into files, completely.")
@click.argument("streams", metavar="STREAM...", nargs=-1, required=True)
@click.option("--output", metavar="F", help="The file; for several streams, the folder.")
@click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, and print what was done as such."
)
@options.period
@fetching.parallel
@options.log_group
@options.aws
def command(
    access: Access,
    log_group: str,
    streams: tuple[str, ...],
    output: str | None,
    as_json: bool,
    start: int | None,
    end: int | None,
    parallel: int,
) -> int:
    """Download streams of a log group, each into a file: lines of text, or one JSON document.

    By default the files are in logs/, named after the streams. A manifest beside each says what was
    read and what, if anything, is missing; an interrupted download goes on where it stopped. Times
    are UTC. Exit status 1: something is missing.

    \b
    Examples:
      python index.py cloudwatch download ecs/app/abc123
      python index.py cloudwatch download ecs/app/abc123 --json --output a.json
      python index.py cloudwatch download app/abc --start-date 7d --end-date 1d
    """
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor
    from mlids.cloudwatch.outcomes import worst

    extractor = CloudWatchLogsExtractor(log_group_name=log_group, access=access, parallel=parallel)
    form, began = "json" if as_json else "text", time.monotonic()
    with fetching.watched(extractor):
        results = _results(extractor, list(dict.fromkeys(streams)), output, (start, end), form)
    seconds, count = time.monotonic() - began, extractor.progress.events
    told = [
        _told(extractor, stream, one)
        for stream, one in zip(dict.fromkeys(streams), results, strict=True)
    ]
    if any("error" not in one for one in told):
        fetching.note(f"{count:,} events in {seconds:.1f} s ({count / max(seconds, 1e-3):,.0f}/s)")
    if as_json:
        shown.document(told[0] if len(told) == 1 else told)
    return worst(one["exitStatus"] for one in told)


def _results(
    extractor: CloudWatchLogsExtractor,
    streams: list[str],
    output: str | None,
    period: tuple[int | None, int | None],
    form: str,
) -> list[Manifest | Exception]:
    if len(streams) > 1:
        return extractor.download_streams(streams, output or "logs", *period, form)
    try:
        return [extractor.download(streams[0], output, *period, form)]
    except Exception as error:
        return [error]


def _told(extractor: CloudWatchLogsExtractor, stream: str, result: Any) -> dict[str, Any]:
    """Say what became of a stream; returns the same for scripts."""
    if isinstance(result, Exception):
        from mlids.cloudwatch import faults

        if not faults.is_fault(result):
            raise result
        group, region = extractor.log_group_name, extractor.region_name
        error = faults.told(result, group=group, stream=stream, region=region)
        console.tell(error)
        failed = {"logStreamName": stream, "error": error.code, "message": error.message}
        return {**failed, "exitStatus": error.exit_status}
    count = result.total_events
    fetching.note(f"{terminal_safe(result.file)}: {count:,} events")
    for gap in result.gaps:
        fetching.missing(stream, gap.start, gap.end, gap.reason)
    summary = {
        **{"logStreamName": stream, "file": result.file, "manifest": f"{result.file}.manifest"},
        **{"totalEvents": count, "bytes": result.bytes, "sha256": result.sha256},
        **{"complete": result.complete, "gaps": msgspec.to_builtins(result.gaps)},
    }
    return {**summary, "exitStatus": 0 if result.complete else 1}

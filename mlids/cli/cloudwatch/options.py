"""What the commands on CloudWatch have in common: options, and how errors of AWS are told."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlids.cli import times
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

GROUP = "/ecs/pinnokio_microservice"
_DAY_MS = 86_400_000

Function = Callable[..., Any]


class Moment(click.ParamType[int]):
    """A time as people type it: ``2025-01-13``, ``2025-01-13T10:00`` (UTC unless it has a zone),
    or ``7d``: so long ago.

    Gives ms since 1970. end: a day alone means its last millisecond.
    """

    name = "time"

    def __init__(self, end: bool = False) -> None:
        self.end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment that is meant."""
        from mlids.cloudwatch.periods import moment_ms

        ago = times.seconds(value) if isinstance(value, str) else None
        try:
            ms = moment_ms(value if ago is None else _now_ms() - ago * 1000, end=self.end)
        except ValueError as error:
            self.fail(f"{error}; so long ago is 7d, 24h, 30m", param, ctx)
        assert ms is not None
        return ms


class Amount(click.FloatRange):
    """A number that can be counted with: no nan."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

log_group = click.option(
    "--log-group",
    metavar="NAME",
    envvar="MLIDS_LOG_GROUP",
    default=GROUP,
    show_default=True,
    show_envvar=True,
    help="The log group.",
)

_AWS = (
    click.option("--region", metavar="R", help="Default: that of environment or profile."),
    click.option("--profile", metavar="P", help="A profile of ~/.aws/config and credentials."),
    click.option("--role-arn", metavar="ARN", help="A role to assume."),
    click.option("--external-id", metavar="ID", help="What the role asks for, if it does."),
    click.option("--endpoint-url", metavar="URL", help="Another server, such as a VPC endpoint."),
    click.option(
        "--requests-per-second",
        metavar="N",
        type=Amount(min=0),
        default=5.0,
        show_default=True,
        help="Of each kind of call, at most; 0: no bound.",
    ),
)
_AWS_NAMES = (
    *("region", "profile", "role_arn", "external_id", "endpoint_url"),
    "requests_per_second",
)

_DAYS = Amount(0, 36_500, min_open=True)
_PERIOD = (
    click.option("--days", metavar="N", type=_DAYS, help="So many days back from the end."),
    click.option("--start-date", "start", type=Moment(), help="2025-01-13, 2025-01-13T10:00, 7d."),
    click.option("--end-date", "end", type=Moment(end=True), help="Likewise; a day as a whole."),
)


def aws(function: Function) -> Function:
    """Options that say who asks AWS, and where; the command gets an `Access` as ``access``.

    What AWS, the network or the disk refuse becomes a `MLIDSError` here, for all commands; it names
    their ``log_group`` and, where it is one, the stream of their ``streams``.
    """

    @functools.wraps(function)
    def asking(**options: Any) -> Any:
        region = options["region"] or ""
        try:
            access = made(**{name: options.pop(name) for name in _AWS_NAMES})
            region = access.region
            return function(access=access, **options)
        except (MLIDSError, click.ClickException, BrokenPipeError):
            raise
        except Exception as error:
            from mlids.cloudwatch import faults

            if not faults.is_fault(error):
                raise
            group, stream = _one(options.get("log_group")), _one(options.get("streams"))
            raise faults.told(error, group=group, stream=stream, region=region) from error

    return _with(_AWS, asking)


def _one(names: str | Sequence[str] | None) -> str:
    """The name, where it is the only one."""
    if isinstance(names, str):
        return names
    return names[0] if names and len(names) == 1 else ""


def made(
    region: str | None,
    profile: str | None,
    role_arn: str | None,
    external_id: str | None,
    endpoint_url: str | None,
    requests_per_second: float,
) -> Access:
    """The `Access` that the options of `aws` ask for."""
    from mlids.cloudwatch.access import Access, checked

    try:
        endpoint = checked(endpoint_url) if endpoint_url else None
    except ValueError as error:
        raise click.UsageError(f"--endpoint-url: {error}") from error
    return Access(
        region or None,
        profile_name=profile or None,
        role_arn=role_arn or None,
        external_id=external_id or None,
        endpoint_url=endpoint,
        requests_per_second=requests_per_second,
    )


def period(function: Function) -> Function:
    """Options for a period; the command gets ``start`` and ``end``, in ms since 1970 or None.

    Both moments belong to the period: `end` is its last millisecond.
    """

    @functools.wraps(function)
    def asking(days: float | None, start: int | None, end: int | None, **options: Any) -> Any:
        if days is not None:
            if start is not None:
                raise click.UsageError("--days and --start-date say the same thing: give one")
            start = max(0, (_now_ms() if end is None else end) - round(days * _DAY_MS))
        if start is not None and start > (_now_ms() if end is None else end):
            late = "--start-date is in the future" if end is None else "--end-date is before it"
            raise click.UsageError(f"the period has no moment in it: {late}")
        return function(start=start, end=end, **options)

    return _with(_PERIOD, asking)


def _with(options: tuple[Function, ...], function: Function) -> Function:
    for option in reversed(options):
        function = option(function)
    return function


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""`cloudwatch check-credentials`: who asks, with whose credentials, and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlids.cli import console
from mlids.cli.cloudwatch import options, shown

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

SOURCES = {
    "env": "the environment",
    "shared-credentials-file": "~/.aws/credentials",
    "config-file": "~/.aws/config",
    "iam-role": "the role of this machine",
    "container-role": "the role of this container",
}
WORDS = {True: "allowed", False: "DENIED", None: "not known now"}


@click.command(short_help="Tell whether AWS accepts the credentials, and what they allow.")
@options.as_json
@options.log_group
@options.aws
def command(access: Access, log_group: str, as_json: bool) -> int:
    """Try the credentials: whose they are, where they were found, what they allow on a log group.

    Exit status 0: all that list, download and sync need is allowed; 1: something is missing; 3:
    there are no credentials, or AWS refuses them. Keys are never shown, but for the end of the
    key's id.
    """
    from mlids.cloudwatch import catalog

    allowed = catalog.permissions(access, log_group)
    missing = _missing(allowed)
    who = catalog.identity(access) or {}
    found = {
        "account": who.get("account"),
        "arn": who.get("arn"),
        "region": access.region,
        "method": access.credentials.method,
        "key": _end_of_key(access),
    }
    if as_json:
        named = {f"logs:{action}": state for action, state in allowed.items()}
        more = {"logGroupName": log_group, "permissions": named, "missing": list(missing)}
        shown.document({"valid": True, **found, **more})
    else:
        _tell(found, log_group, allowed)
        if missing:
            for action, who_needs in missing.items():
                console.note(f"{who_needs} {action}", fg="yellow")
    return 1 if missing else 0


def _missing(allowed: dict[str, bool | None]) -> dict[str, str]:
    """The actions that are lacking, and who needs them. There are two ways to read events."""
    missing = {}
    if allowed["DescribeLogStreams"] is False:
        missing["logs:DescribeLogStreams"] = "list and sync need"
    if allowed["FilterLogEvents"] is False and allowed["GetLogEvents"] is False:
        missing["logs:FilterLogEvents"] = "all that reads events needs"
    return missing


def _end_of_key(access: Access) -> str:
    """Four characters, as AWS itself shows them in lists; none of what is too short for an id."""
    key = access.credentials.get_frozen_credentials().access_key
    return "…" + key[-4:] if len(key) >= 16 else "…"


def _tell(found: dict[str, Any], group: str, allowed: dict[str, bool | None]) -> None:
    method = str(found["method"])
    shown.facts(
        {
            "account": found["account"],
            "identity": found["arn"],
            "region": found["region"],
            "credentials": f"{SOURCES.get(method, method)} (key {found['key']})",
            "log group": group,
        }
    )
    console.out()
    rows = [(f"logs:{action}", WORDS[state]) for action, state in allowed.items()]
    shown.tell(("ACTION", "ON THE LOG GROUP"), rows)

"""AWS CloudTrail: records of what was asked of an account, judged by rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mlids.ingested.findings import at, words
from mlids.ingested.product import Record, RuleProduct
from mlids.layouts import values

DENIED = ("AccessDenied", "UnauthorizedOperation", "Forbidden", "NotAuthorized")
EVERYBODY = frozenset(
    (
        "0.0.0.0/0", "::/0", "public-read", "public-read-write", "authenticated-read",
        "http://acs.amazonaws.com/groups/global/AllUsers",
        "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    )
)  # fmt: skip
POLICIES = ("policyDocument", "assumeRolePolicyDocument", "bucketPolicy", "policy")
MOST = 2000  # values of a request that are looked at
LONGEST = 65536


class Cloud(RuleProduct):
    """Records of CloudTrail."""

    name = "cloudtrail"

    def events(self, record: Record) -> Iterable[Record]:
        """The record of a line, or those of a whole file."""
        several = record.get("Records")
        if isinstance(several, list):
            return [each for each in several if isinstance(each, dict)]
        return (record,)

    def moment(self, event: Record) -> int:
        """When a record of a whole file happened."""
        return values.moment(event.get("eventTime"))

    def prepared(self, event: Record) -> dict[str, Any]:
        """A record with what the rules ask for beside (see ``rules/ingested/cloudtrail.yaml``)."""
        if not isinstance(event.get("eventName"), str):
            return {}
        error = words(event.get("errorCode"))
        asked = event.get("requestParameters")
        statements = list(_statements(asked))
        user = _user(event)
        return {
            **event,
            "user": user,
            "identity": words(at(event, "userIdentity", "arn")) or user,
            "ok": not error,
            "denied": any(each in error for each in DENIED),
            "world": any(value in EVERYBODY for value in _texts(asked))
            or any(_for_everybody(each) for each in statements),
            "all_rights": any(map(_all_rights, statements)),
            "self": words(at(asked, "userName")) in ("", user),
        }

    def about(self, event: Record) -> tuple[dict[str, Any], dict[str, Any]]:
        """Who asked from where for what."""
        address = values.address(event.get("sourceIPAddress"))
        asked = event.get("requestParameters")
        names = ("userName", "roleName", "groupName", "bucketName", "name", "groupId", "keyId")
        target = next((words(at(asked, name)) for name in names if at(asked, name)), "")
        service = words(event.get("eventSource")).partition(".")[0]
        details = {
            "ip": address.decode() if address else "",
            "user": words(event.get("user")),
            "target": target or f"{service}:{words(event.get('eventName'))}",
        }
        metadata = {
            "event": words(event.get("eventName")),
            "service": service,
            "region": words(event.get("awsRegion")),
            "account": words(event.get("recipientAccountId")),
            "arn": words(at(event, "userIdentity", "arn")),
            "identity_type": words(at(event, "userIdentity", "type")),
            "access_key": words(at(event, "userIdentity", "accessKeyId")),
            "error": words(event.get("errorCode")),
            "agent": words(event.get("userAgent")),
            "source": words(event.get("sourceIPAddress")),
            "event_id": words(event.get("eventID")),
        }
        return details, metadata


def _user(event: Record) -> str:
    identity = event.get("userIdentity")
    if at(identity, "type") == "Root":
        return "root"
    found = (
        at(identity, "userName"),
        at(identity, "sessionContext", "sessionIssuer", "userName"),
        at(identity, "arn"),
        at(identity, "principalId"),
        at(identity, "invokedBy"),
    )
    return next((words(name) for name in found if words(name)), "")


def _texts(asked: Any) -> Iterator[str]:
    """All texts of a request."""
    waiting, seen = [asked], 0
    while waiting and seen < MOST:
        value, seen = waiting.pop(), seen + 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield value


def _statements(asked: Any) -> Iterator[dict[str, Any]]:
    """What the policies of a request allow."""
    for name in POLICIES:
        policy = at(asked, name)
        if isinstance(policy, str) and len(policy) <= LONGEST:
            try:
                policy = msgspec.json.decode(policy)
            except (ValueError, RecursionError):
                continue
        found = at(policy, "Statement")
        for each in found if isinstance(found, list) else [found]:
            if isinstance(each, dict) and each.get("Effect") == "Allow":
                yield each


def _for_everybody(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    who = principal.get("AWS") if isinstance(principal, dict) else principal
    everybody = "*" in who if isinstance(who, list) else who == "*"
    return everybody and not statement.get("Condition")


def _all_rights(statement: dict[str, Any]) -> bool:
    return all(_all(statement.get(name)) for name in ("Action", "Resource"))


def _all(value: Any) -> bool:
    return any(
        each in ("*", "*:*", "iam:*") for each in (value if isinstance(value, list) else [value])
    )

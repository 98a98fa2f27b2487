"""What the small CloudWatch server does wrong, on request and every time in the same way.

Chances are drawn from the seed and the request (and how often it came already), never from a
generator that threads would share: a run repeats exactly, whatever the order of its requests.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tests.cloudwatch.records import Position

BREAKS = ("before", "headers", "body", "short", "cut", "garbage", "nothing")


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All are off by default and can be combined. Calls are counted from 1.

    GetLogEvents tells its end by the token it was sent and has no ids: tokens are not repeated
    and events not doubled there.
    """

    seed: int = 0
    # When and whether it answers
    latency_ms: float = 0  # of each answer; requests do not wait for one another
    stall_every: int = 0  # each n-th call waits stall_s before it is answered
    stall_s: float = 0
    # Refusals
    throttle_every: int = 0
    throttle: float = 0  # the probability
    throttled: frozenset[str] = frozenset()  # operations; empty: all
    per_second: int = 0  # calls of an operation in any second, beyond which it is throttled
    denied: frozenset[str] = frozenset()  # operations
    errors: dict[str, str] = {}  # operation, or "*": the error that is its only answer
    expire_after: int | None = None  # calls, after which the credentials are expired
    unavailable_from: int = 1  # the call from which on unavailable calls are answered by 503
    unavailable: int = 0
    refuse_tokens: float = 0  # the probability that a token is refused as invalid
    refuse_tokens_after: int | None = None  # pages, after which all are refused
    # Connections and bodies: before/headers/body reset there; short: closed within the body;
    # cut: half the JSON; garbage: a page of HTML; nothing: an empty body; slow: stalls within it
    break_every: int = 0
    breaks: float = 0  # the probability
    kinds: tuple[str, ...] = BREAKS
    broken: frozenset[str] = frozenset()  # operations; empty: all
    # Pages
    page_events: int = 10_000
    page_bytes: int = 1_048_576
    repeat: int = 0  # how often a token's answer is the page before and the same token again
    repeat_chance: float = 1  # the share of tokens with which that is so
    repeat_empty: bool = False  # the answer is an empty page and the same token
    stuck_after: int | None = None  # pages, after which that is so for ever
    cycle_after: int | None = None  # pages, after which tokens only go round
    cycle: int = 2  # how many tokens are in such a ring
    empty_pages: int = 0  # before each page and after the last
    endless_after: int | None = None  # pages, after which all are empty, with ever new tokens
    # Events
    double: float = 0  # the probability that an event is twice in its page
    double_across: int = 0  # how many events of the page before come again
    outside: int = 0  # events before and after the asked period that come nevertheless
    shuffle: bool = False
    late_in_pages: bool = False  # what was added behind a scan comes in its next page
    stale_streams: bool = False  # DescribeLogStreams does not know of what was added


class Refusal(Exception):
    """An error as AWS answers it."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or MESSAGES.get(code, "")
        self.status = {"ServiceUnavailableException": 503, "InternalFailure": 500}.get(code, 400)


LAST: Position = (2**62,)  # where a last, empty page is
INVALID_TOKEN = "The specified nextToken is invalid."
MESSAGES = {
    "ThrottlingException": "Rate exceeded",
    "ServiceUnavailableException": "The service is temporarily unavailable.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "InvalidSignatureException": "The request signature we calculated does not match the signature you provided.",
}  # fmt: skip


class Call(NamedTuple):
    """One request. moment: monotonic, when it came."""

    moment: float
    operation: str
    parameters: dict[str, Any]


class Token(msgspec.Struct, array_like=True, frozen=True):
    """Where a scan stands: everything that the server must know to go on."""

    scope: str  # what was asked: a token is good for nothing else
    scan: int
    pages: int = 0
    at: Position = ()
    before: Position = ()  # where the last page began
    seen: int = 0  # arrivals, when it was made
    empties: int = 0
    turn: int = 0

    def encode(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def decode(cls, text: str) -> Token:
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text), type=cls)
        except (ValueError, msgspec.DecodeError):
            raise Refusal("InvalidParameterException", INVALID_TOKEN) from None


class Page(NamedTuple):
    """Items as they go over the wire, and where the next page begins, or None."""

    items: bytes | memoryview
    next: Position | None


class Misbehaviour:
    """Applies faults to calls and to the pages of scans."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._calls = itertools.count(1)
        self._scans = itertools.count(1)
        self._seen: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def numbered(self, call: Call) -> tuple[int, str]:
        """The call's number, and what chances for it are drawn from."""
        parameters = dict(call.parameters)
        if token := parameters.get("nextToken"):
            try:
                parameters["nextToken"] = msgspec.structs.replace(Token.decode(token), scan=0)
            except Refusal:
                parameters["nextToken"] = token
        key = call.operation + repr(sorted(parameters.items(), key=lambda item: item[0]))
        with self._lock:
            self._seen[key] += 1
            return next(self._calls), f"{key}#{self._seen[key]}"

    def happens(self, probability: float, kind: str, key: str) -> bool:
        return probability > 0 and self.chance(kind, key) < probability

    def chance(self, kind: str, key: str) -> float:
        """A number in [0, 1)."""
        text = f"{self.faults.seed} {kind} {key}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big") / 2**56

    def refuse(self, call: Call, number: int, key: str) -> None:
        """Raise what the call is refused with, if it is."""
        faults, operation = self.faults, call.operation
        if faults.expire_after is not None and number > faults.expire_after:
            raise Refusal("ExpiredTokenException")
        if code := faults.errors.get(operation, faults.errors.get("*", "")):
            raise Refusal(code)
        if operation in faults.denied:
            raise Refusal(
                "AccessDeniedException",
                f"User: arn:aws:iam::123456789012:user/tester is not authorized to perform: logs:{operation} on "
                f"resource: arn:aws:logs:us-east-1:123456789012:log-group:{call.parameters.get('logGroupName', '')}:log-stream: "
                f"because no identity-based policy allows the logs:{operation} action",
            )  # fmt: skip
        if faults.unavailable_from <= number < faults.unavailable_from + faults.unavailable:
            raise Refusal("ServiceUnavailableException")
        if self._throttled(call, number, key):
            raise Refusal("ThrottlingException")
        if "nextToken" in call.parameters and self.happens(faults.refuse_tokens, "token", key):
            raise Refusal("InvalidParameterException", INVALID_TOKEN)

    def _throttled(self, call: Call, number: int, key: str) -> bool:
        faults = self.faults
        if faults.throttled and call.operation not in faults.throttled:
            return False
        if faults.per_second:
            with self._lock:
                recent = self._recent.setdefault(call.operation, deque(maxlen=faults.per_second))
                if len(recent) == faults.per_second and call.moment - recent[0] < 1:
                    return True
                recent.append(call.moment)
        if faults.throttle_every and number % faults.throttle_every == 0:
            return True
        return self.happens(faults.throttle, "throttle", key)

    def broken(self, call: Call, number: int, key: str) -> str:
        """How the answer is broken, or ""."""
        faults = self.faults
        if faults.broken and call.operation not in faults.broken:
            return ""
        if faults.break_every and number % faults.break_every == 0:
            return faults.kinds[number // faults.break_every % len(faults.kinds)]
        if self.happens(faults.breaks, "break", key):
            return faults.kinds[int(self.chance("kind", key) * len(faults.kinds))]
        return ""

    def paged(
        self, call: Call, arrivals: int, fetch: Callable[[Position, int], Page]
    ) -> tuple[bytes | memoryview, str | None]:
        """The items of the page that is asked for, and the next token.

        fetch: gives the page at a position, and what arrived behind it after so many arrivals.
        """
        token = self._token(call, arrivals)
        if (answer := self._held(token, call, fetch)) is not None:
            return answer
        if token.empties < self.faults.empty_pages:
            return b"", msgspec.structs.replace(token, empties=token.empties + 1).encode()
        if token.at == LAST:
            return b"", None
        page = fetch(token.at, token.seen)
        if page.next is None and not self.faults.empty_pages:
            return page.items, None
        following = Token(
            token.scope,
            token.scan,
            token.pages + 1,
            LAST if page.next is None else page.next,
            token.at,
            arrivals,
        )
        return page.items, following.encode()

    def _token(self, call: Call, arrivals: int) -> Token:
        """The token that was sent, or that of a new scan."""
        asked = sorted(
            (k, v) for k, v in call.parameters.items() if k not in ("nextToken", "limit")
        )
        scope = hashlib.blake2b((call.operation + repr(asked)).encode("utf-8", "replace"), digest_size=6).hexdigest()  # fmt: skip
        sent = call.parameters.get("nextToken")
        if sent is None:
            return Token(scope, next(self._scans), seen=arrivals)
        token = Token.decode(sent)
        after = self.faults.refuse_tokens_after
        if token.scope != scope or (after is not None and token.pages >= after):
            raise Refusal("InvalidParameterException", INVALID_TOKEN)
        return token

    def _held(
        self, token: Token, call: Call, fetch: Callable[[Position, int], Page]
    ) -> tuple[bytes | memoryview, str] | None:
        """The answer that leads nowhere, where this token's is one."""
        faults, pages = self.faults, token.pages
        sent = call.parameters.get("nextToken", "")
        if faults.endless_after is not None and pages >= faults.endless_after:
            return b"", msgspec.structs.replace(token, empties=token.empties + 1).encode()
        if not pages:
            return None
        stuck = faults.stuck_after is not None and pages >= faults.stuck_after
        round_about = faults.cycle_after is not None and pages >= faults.cycle_after
        again = faults.repeat and not token.empties and self._again(token, sent)
        if not (stuck or round_about or again):
            return None
        repeated = b"" if faults.repeat_empty else fetch(token.before, token.seen).items
        if round_about:
            sent = msgspec.structs.replace(token, turn=(token.turn + 1) % faults.cycle).encode()
        return repeated, sent

    def _again(self, token: Token, sent: str) -> bool:
        unscanned = repr(msgspec.structs.replace(token, scan=0))
        if not self.happens(self.faults.repeat_chance, "repeat", unscanned):
            return False
        with self._lock:
            self._seen[sent] += 1
            return self._seen[sent] <= self.faults.repeat

"""A small, fast and hostile CloudWatch Logs server.

    with Server({"/group": {"stream": [Record(1_736_764_245_000, "text")]}}, repeat=1) as server:
        boto3.client("logs", endpoint_url=server.url, …)

    python -m tests.cloudwatch.server --port 0 --streams 20 --events 10000 --faults '{"latency_ms": 80}'

As a process of its own it prints its port when it is ready. It speaks AWS JSON 1.1 over HTTP/1.1
with keep-alive; signatures are not looked at. `Faults` are what it can do wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import random
import re
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from tests.cloudwatch.misbehaviour import (
    INVALID_TOKEN,
    Call,
    Faults,
    Misbehaviour,
    Page,
    Refusal,
    Token,
)
from tests.cloudwatch.records import (
    CREATED,
    Entry,
    Position,
    Record,
    Store,
    View,
    filled,
    filtered_form,
    plain_form,
)

__all__ = ["Call", "Faults", "Record", "Server", "filled"]

ARN = "arn:aws:logs:us-east-1:123456789012:log-group:"
_PREFIX = "Logs_20140328."
_HEAD = re.compile(rb"(?im)^(content-length|x-amz-target):[ \t]*([^\r\n]*?)[ \t]*\r?$")
_STATUS = {200: b"OK", 400: b"Bad Request", 500: b"Internal Error", 503: b"Unavailable"}
Parameters = dict[str, Any]
Parts = list[bytes | memoryview]


class Server:
    """Serves what it holds until it is closed.

    streams: group → stream → records, in any order.
    rows: what queries find; when not given, the events of the period, newest first.
    query_status: how queries end.
    """

    def __init__(
        self,
        streams: Mapping[str, Mapping[str, Iterable[Record]]],
        *,
        port: int = 0,
        rows: list[dict[str, str]] | None = None,
        query_status: str = "Complete",
        **faults: Any,
    ) -> None:
        self.faults = Faults(**faults)
        self.calls: list[Call] = []
        self._store = Store(streams)
        self._initially = self._store.arrivals
        self._misbehaviour = Misbehaviour(self.faults)
        self._rows, self._query_status = rows, query_status
        self._queries: dict[str, tuple[list[str], list[dict[str, str]]]] = {}
        self._query_ids = itertools.count(1)
        self._later: list[tuple[int, str, str, list[Record]]] = []
        self._tcp = _Listener(("127.0.0.1", port), self)
        self.port = int(self._tcp.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and hang up on everybody."""
        self._tcp.shutdown()
        self._tcp.server_close()
        self._tcp.hang_up()

    def add(self, group: str, stream: str, *records: Record) -> None:
        """Events that come while it runs; groups and streams are created."""
        self._store.add(group, stream, records)

    def add_after(self, calls: int, group: str, stream: str, *records: Record) -> None:
        """Events that come as soon as so many calls from now on are answered."""
        self._later.append((len(self.calls) + calls, group, stream, list(records)))

    def truth(
        self,
        group: str,
        stream: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> list[Record]:
        """The events of a stream, or of the group, in the period [start, end) ms, in order."""
        return self._store.truth(group, stream, start, end)

    def count(self, operation: str) -> int:
        """How many calls of it came."""
        return sum(call.operation == operation for call in self.calls)

    def warm(self) -> None:
        """Encode now what FilterLogEvents will be asked for."""
        for group, streams in self._store.groups.items():
            for names in [(name,) for name in sorted(streams)]:
                self._store.view(group, names, filtered_form)
            self._store.view(group, tuple(sorted(streams)), filtered_form)

    def answer(self, operation: str, body: bytes) -> tuple[int, Parts, str]:
        """Status, body and how the answer is to be broken."""
        try:
            parameters = msgspec.json.decode(body or b"{}", type=dict)
        except msgspec.DecodeError:
            return 400, _error(Refusal("SerializationException")), ""
        call = Call(time.monotonic(), operation, parameters)
        number, key = self._misbehaviour.numbered(call)
        self._add_due()
        self.calls.append(call)
        self._wait(number)
        try:
            self._misbehaviour.refuse(call, number, key)
            if operation not in _OPERATIONS:
                raise Refusal("UnknownOperationException")
            parts = _OPERATIONS[operation](self, call)
        except Refusal as refusal:
            return refusal.status, _error(refusal), self._misbehaviour.broken(call, number, key)
        return 200, parts, self._misbehaviour.broken(call, number, key)

    def _wait(self, number: int) -> None:
        faults = self.faults
        stalls = faults.stall_every and number % faults.stall_every == 0
        if seconds := faults.latency_ms / 1e3 + (faults.stall_s if stalls else 0):
            time.sleep(seconds)

    def _add_due(self) -> None:
        for late in [late for late in self._later if late[0] <= len(self.calls)]:
            self._later.remove(late)
            self._store.add(*late[1:])

    # Groups and streams

    def _describe_log_groups(self, call: Call) -> Parts:
        prefix = call.parameters.get("logGroupNamePrefix", "")
        pattern = call.parameters.get("logGroupNamePattern", "")
        names = [n for n in sorted(self._store.groups) if n.startswith(prefix) and pattern in n]
        return self._listed(call, "logGroups", [self._group(name) for name in names])

    def _group(self, name: str) -> dict[str, Any]:
        entries = [entry for entries in self._store.groups[name].values() for entry in entries]
        return {
            "logGroupName": name,
            "creationTime": min((entry.timestamp for entry in entries), default=CREATED),
            "metricFilterCount": 0,
            "arn": f"{ARN}{name}:*",
            "logGroupArn": ARN + name,
            "logGroupClass": "STANDARD",
            "storedBytes": sum(len(entry.message) + 26 for entry in entries),
        }

    def _describe_log_streams(self, call: Call) -> Parts:
        parameters, prefix = call.parameters, call.parameters.get("logStreamNamePrefix", "")
        by_time = parameters.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            text = "Cannot order by LastEventTime with a logStreamNamePrefix."
            raise Refusal("InvalidParameterException", text)
        group = self._group_of(call)
        found = [self._stream(group, n) for n in sorted(self._store.groups[group]) if n.startswith(prefix)]  # fmt: skip
        if by_time:
            found.sort(key=lambda stream: stream.get("lastEventTimestamp", 0))
        if parameters.get("descending"):
            found.reverse()
        return self._listed(call, "logStreams", found)

    def _stream(self, group: str, name: str) -> dict[str, Any]:
        entries = self._store.groups[group][name]
        if self.faults.stale_streams:
            entries = [entry for entry in entries if entry.arrival < self._initially]
        found = {
            "logStreamName": name,
            "creationTime": entries[0].timestamp if entries else CREATED,
            "arn": f"{ARN}{group}:log-stream:{name}",
            "storedBytes": 0,
        }
        if entries:
            found["firstEventTimestamp"] = entries[0].timestamp
            found["lastEventTimestamp"] = entries[-1].timestamp
            found["lastIngestionTime"] = max(entry.ingestion_time for entry in entries)
        return found

    def _listed(self, call: Call, name: str, found: list[dict[str, Any]]) -> Parts:
        limit = _limit(call, 50)

        def fetch(position: Position, seen: int) -> Page:
            first = position[0] if position else 0
            page = msgspec.json.encode(found[first : first + limit])[1:-1]
            return Page(page, (first + limit,) if first + limit < len(found) else None)

        items, token = self._misbehaviour.paged(call, self._store.arrivals, fetch)
        return _page(name, items, {"nextToken": token} if token else {})

    def _create_log_group(self, call: Call) -> Parts:
        name = call.parameters["logGroupName"]
        if name in self._store.groups:
            text = "The specified log group already exists"
            raise Refusal("ResourceAlreadyExistsException", text)
        self._store.groups[name] = {}
        return []

    def _create_log_stream(self, call: Call) -> Parts:
        group, name = self._group_of(call), call.parameters["logStreamName"]
        if name in self._store.groups[group]:
            text = "The specified log stream already exists"
            raise Refusal("ResourceAlreadyExistsException", text)
        self._store.add(group, name, [])
        return []

    def _group_of(self, call: Call) -> str:
        parameters = call.parameters
        name = parameters.get("logGroupName") or parameters.get("logGroupIdentifier", "")
        name = str(name).removeprefix(ARN).removesuffix(":*")
        if name not in self._store.groups:
            text = "The specified log group does not exist."
            raise Refusal("ResourceNotFoundException", text)
        return name

    def _known(self, group: str, names: Iterable[str]) -> tuple[str, ...]:
        """The names in order; all of them must be there."""
        if not self._store.groups[group].keys() >= set(names):
            text = "The specified log stream does not exist."
            raise Refusal("ResourceNotFoundException", text)
        return tuple(sorted(set(names)))

    # Events

    def _put_log_events(self, call: Call) -> Parts:
        group, stream = self._group_of(call), call.parameters["logStreamName"]
        self._known(group, [stream])
        now = time.time_ns() // 1_000_000
        events = call.parameters["logEvents"]
        if any(a["timestamp"] > b["timestamp"] for a, b in itertools.pairwise(events)):
            text = "Log events in a single PutLogEvents request must be in chronological order."
            raise Refusal("InvalidParameterException", text)
        self.add(group, stream, *(Record(e["timestamp"], e["message"], now) for e in events))
        return [b'{"nextSequenceToken":"%d"}' % self._store.arrivals]

    def _filter_log_events(self, call: Call) -> Parts:
        arrivals = self._store.arrivals  # before the view: what comes in between counts as late
        parameters, group = call.parameters, self._group_of(call)
        names, prefix = parameters.get("logStreamNames"), parameters.get("logStreamNamePrefix")
        if names and (prefix or len(names) > 100):
            text = "logStreamNamePrefix and logStreamNames cannot be used together, nor over 100."
            raise Refusal("InvalidParameterException", text)
        if names:
            chosen = self._known(group, names)
        else:
            chosen = tuple(
                sorted(n for n in self._store.groups[group] if n.startswith(prefix or ""))
            )
        pattern = parameters.get("filterPattern", "")
        view = self._store.view(group, chosen, filtered_form, pattern)
        start, end = _period(parameters, inclusive=True)
        bounds, limit = view.between(start, end), _limit(call, self.faults.page_events)

        def fetch(position: Position, seen: int) -> Page:
            first = max(bounds[0], view.at(position))
            last = view.forward(first, min(bounds[1], first + limit), self.faults.page_bytes)
            following = view.entries[last - 1].after if last < bounds[1] else None
            late = self._late(view, bounds[0], first, seen)
            return Page(self._items(view, first, last, bounds, late), following)

        items, token = self._misbehaviour.paged(call, arrivals, fetch)
        rest = {"nextToken": token} if token else {}
        return _page("events", items, rest | {"searchedLogStreams": []})

    def _late(self, view: View, begin: int, end: int, seen: int) -> list[Entry]:
        if not self.faults.late_in_pages or self._store.arrivals == seen:
            return []
        return [entry for entry in view.entries[begin:end] if entry.arrival >= seen]

    def _items(
        self, view: View, first: int, last: int, bounds: tuple[int, int], late: list[Entry]
    ) -> bytes | memoryview:
        """The page [first, last) with what is wrong with it."""
        faults, entries = self.faults, view.entries
        doubles = view.form is filtered_form  # what has no id cannot be told from its double
        wrong = faults.outside or faults.shuffle
        if not (wrong or late or (doubles and (faults.double or faults.double_across))):
            return view.encoded(first, last)
        again = max(bounds[0], first - faults.double_across) if doubles else first
        items = late + entries[again:last]
        if doubles:
            happens = self._misbehaviour.happens
            items += [e for e in items if happens(faults.double, "double", e.event_id)]
        if faults.outside:
            items += entries[max(0, bounds[0] - faults.outside) : bounds[0]]
            items += entries[bounds[1] : bounds[1] + faults.outside]
        items.sort()
        if faults.shuffle:
            random.Random(f"{faults.seed} {first} {last}").shuffle(items)
        return b"".join(map(view.form, items))[:-1]

    def _get_log_events(self, call: Call) -> Parts:
        """The page after a place (forward) or before it, and the places at both of its ends.

        At the true end the place stays what it is, and so the token is the one that was sent.
        """
        parameters, group = call.parameters, self._group_of(call)
        name = parameters["logStreamName"]
        view = self._store.view(group, self._known(group, [name]), plain_form)
        start, end = _period(parameters, inclusive=False)
        bounds, limit = view.between(start, end), _limit(call, self.faults.page_events)
        sent = parameters.get("nextToken")
        forward = sent.startswith("f/") if sent else bool(parameters.get("startFromHead"))
        token = Token.decode(sent[2:]) if sent else None
        if token and token.scope != f"{group} {name}":
            raise Refusal("InvalidParameterException", INVALID_TOKEN)
        if sent and forward and not parameters.get("startFromHead"):
            text = "startFromHead must be true with a nextForwardToken."
            raise Refusal("InvalidParameterException", text)
        if not token:
            index = bounds[0] if forward else bounds[1]
            place = view.entries[index - 1].after if index else ()
            token = Token(f"{group} {name}", 0, at=place)
        here = min(max(view.at(token.at), bounds[0]), bounds[1])
        if token.empties < self.faults.empty_pages:
            return self._places(b"", msgspec.structs.replace(token, empties=token.empties + 1))
        size = self.faults.page_bytes
        if forward:
            first, last = here, view.forward(here, min(bounds[1], here + limit), size)
        else:
            first, last = view.backward(max(bounds[0], here - limit), here, size), here
        if first == last:
            return self._places(b"", token)
        items = self._items(view, first, last, bounds, [])
        before, after = view.entries[first][:3], view.entries[last - 1].after
        return self._places(
            items, Token(token.scope, 0, at=after), Token(token.scope, 0, at=before)
        )

    def _places(
        self, items: bytes | memoryview, after: Token, before: Token | None = None
    ) -> Parts:
        tokens = {
            "nextForwardToken": "f/" + after.encode(),
            "nextBackwardToken": "b/" + (before or after).encode(),
        }
        return _page("events", items, tokens)

    # Queries

    def _start_query(self, call: Call) -> Parts:
        parameters = call.parameters
        names = parameters.get("logGroupNames") or parameters.get("logGroupIdentifiers") or [""]
        groups = [
            self._group_of(call._replace(parameters={"logGroupName": name, **parameters}))
            for name in names
        ]
        if not parameters["queryString"].strip():
            raise Refusal("MalformedQueryException", "unexpected end of the query")
        rows = self._found(groups, parameters) if self._rows is None else self._rows
        identity = f"00000000-0000-4000-8000-{next(self._query_ids):012d}"
        self._queries[identity] = (["Scheduled", "Running", self._query_status], rows)
        return [msgspec.json.encode({"queryId": identity})]

    def _found(self, groups: list[str], parameters: Parameters) -> list[dict[str, str]]:
        """The events of the period, which is in seconds, newest first."""
        start, end = parameters["startTime"] * 1000, parameters["endTime"] * 1000 + 999
        found = [record for group in groups for record in self.truth(group, None, start, end + 1)]
        found.sort(key=lambda record: record.timestamp, reverse=True)
        return [
            {"@timestamp": _calendar(record.timestamp), "@message": str(record.message), "@ptr": record.event_id}
            for record in found[: parameters.get("limit", 1000)]
        ]  # fmt: skip

    def _get_query_results(self, call: Call) -> Parts:
        states, rows = self._query(call)
        status = states.pop(0) if len(states) > 1 else states[0]
        shown = (
            rows if status in ("Running", "Complete") else []
        )  # while it runs: what there is yet
        answer = {
            "status": status,
            "results": [[{"field": k, "value": v} for k, v in row.items()] for row in shown],
            "statistics": {"recordsMatched": len(rows), "recordsScanned": len(rows), "bytesScanned": 0},
        }  # fmt: skip
        return [msgspec.json.encode(answer)]

    def _stop_query(self, call: Call) -> Parts:
        states, _ = self._query(call)
        if len(states) == 1:
            raise Refusal("InvalidParameterException", "The query has already ended.")
        states[:] = ["Cancelled"]
        return [b'{"success":true}']

    def _query(self, call: Call) -> tuple[list[str], list[dict[str, str]]]:
        """The states that are to come, and the rows."""
        try:
            return self._queries[call.parameters["queryId"]]
        except KeyError:
            raise Refusal("ResourceNotFoundException", "The query does not exist.") from None


_OPERATIONS: dict[str, Callable[[Server, Call], Parts]] = {
    "CreateLogGroup": Server._create_log_group,
    "CreateLogStream": Server._create_log_stream,
    "DescribeLogGroups": Server._describe_log_groups,
    "DescribeLogStreams": Server._describe_log_streams,
    "FilterLogEvents": Server._filter_log_events,
    "GetLogEvents": Server._get_log_events,
    "GetQueryResults": Server._get_query_results,
    "PutLogEvents": Server._put_log_events,
    "StartQuery": Server._start_query,
    "StopQuery": Server._stop_query,
}


def _limit(call: Call, most: int) -> int:
    """The asked limit, of which CloudWatch allows 50 or 10,000, but never more than most."""
    allowed = 50 if call.operation.startswith("Describe") else 10_000
    limit = int(call.parameters.get("limit", allowed))
    if not 1 <= limit <= allowed:
        text = f"Value '{limit}' at 'limit' failed to satisfy constraint: between 1 and {allowed}"
        raise Refusal("InvalidParameterException", text)
    return min(limit, most)


def _period(parameters: Parameters, *, inclusive: bool) -> tuple[int | None, int | None]:
    """The asked period as [start, end)."""
    start, end = parameters.get("startTime"), parameters.get("endTime")
    if start is not None and end is not None and start > end:
        text = "startTime must not be after endTime."
        raise Refusal("InvalidParameterException", text)
    return start, end + inclusive if end is not None else None


def _calendar(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}"


def _page(name: str, items: bytes | memoryview, rest: dict[str, Any]) -> Parts:
    end = b"]," + msgspec.json.encode(rest)[1:] if rest else b"]}"
    return [b'{"%b":[' % name.encode(), items, end]


def _error(refusal: Refusal) -> Parts:
    return [msgspec.json.encode({"__type": refusal.code, "message": refusal.message})]


class _Listener(socketserver.ThreadingTCPServer):
    """A thread for each connection: answers that wait let others through."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], server: Server) -> None:
        self.logs = server
        self._open: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # they hang up when they like
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.BaseRequestHandler):
    """Reads requests one after the other and answers them until either side hangs up."""

    request: socket.socket
    server: _Listener

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        while (asked := self._asked()) is not None:
            operation, body = asked
            status, parts, broken = self.server.logs.answer(operation, body)
            if not (self._break if broken else self._send)(status, parts, broken):
                return

    def _asked(self) -> tuple[str, bytes] | None:
        """The operation and the body of the next request."""
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if not self._more():
                return None
        headers = {name.lower(): value for name, value in _HEAD.findall(self._data, 0, end + 2)}
        begin = end + 4
        end = begin + int(headers.get(b"content-length", 0))
        while len(self._data) < end:
            if not self._more():
                return None
        body, self._data = self._data[begin:end], self._data[end:]
        return headers.get(b"x-amz-target", b"").decode("latin-1").removeprefix(_PREFIX), body

    def _more(self) -> bool:
        received = self.request.recv(1 << 16)
        self._data += received
        return bool(received)

    def _send(self, status: int, parts: Parts, _: str) -> bool:
        self.request.sendall(_head(status, sum(map(len, parts))) + (parts[0] if parts else b""))
        for part in parts[1:]:
            self.request.sendall(part)
        return True

    def _break(self, status: int, parts: Parts, kind: str) -> bool:
        """Answer as no server should; whether the connection goes on."""
        body = b"".join(parts)
        if kind in ("cut", "garbage", "nothing"):
            text = {"cut": body[: len(body) // 2], "garbage": GARBAGE, "nothing": b""}[kind]
            return self._send(status, [text], "")
        if kind != "before":
            self.request.sendall(_head(status, len(body)))
        if kind in ("body", "short", "slow"):
            self.request.sendall(body[: len(body) // 2])
        if kind == "slow":
            time.sleep(self.server.logs.faults.stall_s)
            self.request.sendall(body[len(body) // 2 :])
            return True
        if kind != "short":  # a reset instead of an orderly end
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
        return False


GARBAGE = b"<html><body><h1>It works!</h1></body></html>"


def _head(status: int, length: int) -> bytes:
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: application/x-amz-json-1.1\r\n"
        b"x-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\nContent-Length: %d\r\n\r\n"
    ) % (status, _STATUS[status], length)


def main() -> None:
    """Serve generated streams until killed."""
    parser = argparse.ArgumentParser(description="A small CloudWatch Logs server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--group", default="/bench")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--events", type=int, default=10_000, help="in each stream")
    parser.add_argument("--start", type=int, default=1_736_764_245_000, help="ms since 1970")
    parser.add_argument("--faults", default="{}", help="JSON; see misbehaviour.py")
    asked = parser.parse_args()
    gc.disable()  # millions of records, all of which stay
    streams = {asked.group: filled(asked.streams, asked.events, asked.start)}
    server = Server(streams, port=asked.port, **msgspec.json.decode(asked.faults))
    server.warm()
    print(server.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

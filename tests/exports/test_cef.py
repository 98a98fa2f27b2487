import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids import __version__
from mlids.encoders import terminal_safe
from mlids.exports.cef import render
from mlids.exports.facts import stored
from mlids.formats.cef import Cef
from mlids.testing import START_NS, event, lines
from tests.exports.examples import EXAMPLES, SCANNER, SERVER, SIX, example, hostile

# Keys of the extension dictionary, with the most characters they may have where that is little.
KEYS = {
    "rt": 20, "start": 20, "end": 20, "externalId": 40, "cat": 1023, "act": 63, "outcome": 63,
    "cnt": 20, "dvchost": 100, "proto": 31, "app": 31, "suser": 1023, "duser": 1023,
    "filePath": 1023, "fname": 1023, "fileHash": 255, "msg": 1023, "reason": 1023, "src": 15,
    "dst": 15, "c6a2": 45, "c6a3": 45, "shost": 1023, "dhost": 1023, "spt": 5, "dpt": 5, "cfp1": 30,
    **{f"cs{number}": 4000 for number in range(1, 7)},
}  # fmt: skip


def unescaped(text, escapes):
    made, at = [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            made.append(escapes[text[at]])
        else:
            made.append(text[at])
        at += 1
    return "".join(made)


def read(line):
    """The parts of the header and the fields of one message, by the letter of the standard."""
    *head, rest = re.match(r"(CEF:0)" + r"\|((?:[^|\\]|\\[|\\])*)" * 6 + r"\|(.*)$", line).groups()
    found, marks = {}, list(re.finditer(r"(?:^| )(\w+)=", rest))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(rest)
        value = rest[mark.end() : end]
        assert not re.search(r"(?<!\\)(\\\\)*=", value)
        assert mark[1] not in found
        found[mark[1]] = unescaped(value, {"\\": "\\", "=": "=", "n": "\n", "r": "\r"})
    assert found or not rest
    return [unescaped(part, {"\\": "\\", "|": "|"}) for part in head], found


def messages(events):
    content = b"".join(render(events)).decode()
    assert len(content.splitlines()) == len(events)
    return [read(line) for line in content.splitlines()]


def check(head, fields):
    assert head[:4] == ["CEF:0", "MLIDS", "MLIDS", __version__]
    assert 0 <= int(head[6]) <= 10
    for key, value in fields.items():
        assert len(value) <= KEYS.get(key, 1023)
        bare = key.removesuffix("Label")
        assert bare in KEYS
        assert bare == key or bare in fields
    for six in ("c6a2", "c6a3"):
        assert (six in fields) == (f"{six}Label" in fields)
    for key in ("rt", "start", "end", "cnt", "spt", "dpt"):
        assert fields.get(key, "0").isdigit()


def shown(text, limit):
    """A text as it is to be read: only line ends as they were, and cut."""
    parts = re.split("([\r\n])", text)
    safe = "".join(p if p in ("\r", "\n") else terminal_safe(p, len(p)) for p in parts)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made["type"])
def test_every_type_is_a_message_of_the_standard(made):
    ((head, fields),) = messages([made])
    check(head, fields)
    assert head[4:6] == [made["rule"], made["type"]]
    assert fields["msg"] == f"{made['type']} | seen = 1"
    assert fields["externalId"] == made["id"]


def test_a_scan():
    ((head, fields),) = messages([example("Port Scan")])
    assert head[6] == "8"
    assert (fields["src"], fields["dst"], fields["dpt"]) == (SCANNER, SERVER, "22")
    assert (fields["proto"], fields["cnt"], fields["act"]) == ("TCP", "42", "alert")
    assert (fields["cs2"], fields["cs2Label"]) == ("T1046,T1595.001", "techniques")
    assert fields["cs3"] == "Discovery,Reconnaissance"


def test_a_login_from_an_ipv6_address():
    ((_, fields),) = messages([example("Failed Login")])
    assert (fields["c6a2"], fields["c6a2Label"]) == (SIX, "Source IPv6 Address")
    assert "src" not in fields
    assert (fields["spt"], fields["dhost"], fields["duser"]) == ("50022", "web-1", "root")
    assert (fields["outcome"], fields["app"]) == ("failure", "sshd")


def test_who_changed_a_file_is_the_source():
    ((_, fields),) = messages([example("File Modified")])
    assert (fields["suser"], fields["fname"], fields["filePath"]) == (
        "bob",
        "passwd",
        "/etc/passwd",
    )


def test_values_are_escaped_and_cut():
    long = event(rule="a|b\\", details={"user": "a=b\\\nc|\x1b", "description": "m" * 2000})
    content = b"".join(render([long])).decode()
    assert "|a\\|b\\\\|" in content
    assert " duser=a\\=b\\\\\\nc|\\\\x1b " in content
    ((_, fields),) = messages([long])
    assert fields["msg"] == "m" * 1022 + "…"


def test_the_format_of_the_house_reads_it_back():
    batch = lines(*b"".join(render([example("Failed Login")])).splitlines(), format=Cef())
    assert np.asarray(batch.column("time"))[0] == START_NS
    assert batch.column("user")[0] == b"root"
    assert batch.column("message")[0] == b"Failed Login | seen = 1"


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_stay_in_their_fields(events):
    for (head, fields), made in zip(messages(events), map(stored, events), strict=True):
        check(head, fields)
        details = made["details"]
        for key, name in (("description", "msg"), ("path", "filePath"), ("service", "app")):
            if isinstance(details.get(key), str) and details[key]:
                assert fields[name] == shown(details[key], KEYS[name])
        if isinstance(details.get("user"), str):
            who = fields.get("duser", "") or fields.get("suser", "")
            assert who == shown(details["user"], 1023)
        assert fields.get("dvchost", "") == shown(made["host"], 100)

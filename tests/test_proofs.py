from hypothesis import given
from hypothesis import strategies as st

from mlids.proofs import LENGTH, Link, bare, claimed, digest_of, extend, split
from mlids.testing import event

RECORDS = [event(seconds=n).stamped().encoded() for n in range(3)]


def test_records_are_chained_and_come_out_as_they_were():
    end, data = extend(Link(), RECORDS)
    lines = data.splitlines(keepends=True)
    assert [bare(line) for line in lines] == RECORDS
    assert [claimed(line).seq for line in lines] == [1, 2, 3]
    assert claimed(lines[-1]) == end
    before = Link().digest
    for line in lines:
        body, digest = split(line)
        assert digest_of(before, body) == digest
        before = digest


def test_it_does_not_matter_how_records_are_grouped():
    first, one = extend(Link(), RECORDS[:1])
    _, others = extend(first, RECORDS[1:])
    assert extend(Link(), RECORDS)[1] == one + others


def test_every_byte_counts():
    _, data = extend(Link(), RECORDS[:1])
    body, digest = split(data)
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert digest_of(Link().digest, changed) != digest


def test_a_proof_is_never_longer_than_said():
    _, data = extend(Link(10**19 - 2), RECORDS[:1])
    assert len(data) <= len(RECORDS[0]) + LENGTH
    assert bare(data) == RECORDS[0]


@given(st.binary(max_size=200))
def test_any_bytes_may_be_asked(line):
    assert split(line)[0] in line
    claimed(line)
    bare(line)


def test_lines_without_a_proof_claim_nothing():
    assert claimed(RECORDS[0] + b"\n") is None
    assert claimed(b'{"a": 1,"seq":x,"chain":"' + b"0" * 32 + b'"}\n') is None
    assert bare(b"{}\n") == b"{}"

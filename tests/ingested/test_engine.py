from __future__ import annotations

import msgspec

from mlids.ingested.engine import Engine
from mlids.ingested.findings import Place
from mlids.ingested.rules import load

FILE = load(b"""
product: auditd
literals: [x]
rules:
  - {id: single, title: t, severity: HIGH, when: {kind: a}, unless: {who: root}, match: [{a: 1}, {a: 1}], no_match: [{a: 1}, {a: 1}]}
  - {id: rest, title: t, severity: LOW, fallback: true, when: {kind: [a, b]}, match: [{a: 1}, {a: 1}], no_match: [{a: 1}, {a: 1}]}
  - {id: burst, title: t, severity: HIGH, when: {kind: c}, burst: {by: [who], of: what, count: 3, within_s: 10}, match: [{a: 1}, {a: 1}], no_match: [{a: 1}, {a: 1}]}
  - {id: chain, title: t, severity: HIGH, when: {kind: [d, e]}, sequence: {by: [who], within_s: 10, steps: [{kind: d}, {kind: e}]}, match: [{a: 1}, {a: 1}], no_match: [{a: 1}, {a: 1}]}
  - {id: both, title: t, severity: HIGH, when: {kind: [f, g]}, sequence: {by: [who], within_s: 10, ordered: false, steps: [{kind: f}, {kind: g}]}, match: [{a: 1}, {a: 1}], no_match: [{a: 1}, {a: 1}]}
""")


def judged(engine, *records):
    found = []
    for second, record in records:
        place = Place(second * 10**9, "x.log", second, second)
        found += [(second, hit.rule.rule.id) for hit in engine.judge(record, place)]
    return found


def test_single_records_and_fallbacks():
    engine = Engine(FILE, {})
    assert judged(engine, (1, {"kind": "a"})) == [(1, "single")]
    assert judged(engine, (1, {"kind": "a", "who": "root"})) == [(1, "rest")]
    assert judged(engine, (1, {"kind": "b"})) == [(1, "rest")]
    assert judged(engine, (1, {"kind": "z"}), (2, {})) == []


def burst(*marks):
    return [(second, {"kind": "c", "who": who, "what": what}) for second, who, what in marks]


def test_bursts_count_different_values_of_one_key():
    assert judged(Engine(FILE, {}), *burst((1, "e", "x"), (2, "e", "y"), (3, "e", "z"))) == [
        (3, "burst")
    ]
    assert judged(Engine(FILE, {}), *burst((1, "e", "x"), (2, "e", "y"), (3, "e", "y"))) == []
    assert judged(Engine(FILE, {}), *burst((1, "e", "x"), (2, "e", "y"), (3, "f", "z"))) == []
    assert judged(Engine(FILE, {}), *burst((1, "", "x"), (2, "", "y"), (3, "", "z"))) == []


def test_windows_slide():
    assert judged(Engine(FILE, {}), *burst((1, "e", "x"), (2, "e", "y"), (11, "e", "z"))) == []
    assert judged(Engine(FILE, {}), *burst((2, "e", "x"), (9, "e", "y"), (11, "e", "z"))) == [
        (11, "burst")
    ]


def chain(*marks):
    return [(second, {"kind": kind, "who": "e"}) for second, kind in marks]


def test_sequences_keep_their_order():
    assert judged(Engine(FILE, {}), *chain((1, "d"), (2, "e"))) == [(2, "chain")]
    assert judged(Engine(FILE, {}), *chain((1, "e"), (2, "d"))) == []
    assert judged(Engine(FILE, {}), *chain((1, "d"), (11, "e"))) == []
    assert judged(Engine(FILE, {}), *chain((1, "g"), (2, "f"))) == [(2, "both")]


def test_hits_explain_themselves():
    engine = Engine(FILE, {})
    hits = []
    for second, record in burst((1, "e", "x"), (2, "e", "y"), (3, "e", "z")):
        hits += engine.judge(record, Place(second * 10**9, "x.log", second, 7 * second))
    (hit,) = hits
    assert hit.explanation() == "3 different what of e; threshold 3 in 10 s"
    assert [place["line"] for place in hit.evidence()] == [2, 1]


def test_state_is_saved():
    first, second = Engine(FILE, {}), Engine(FILE, {})
    judged(first, *burst((1, "e", "x"), (2, "e", "y")), *chain((1, "d")))
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())))
    second.restore({"gone": []})
    assert judged(second, *burst((3, "e", "z")), *chain((4, "e"))) == [(3, "burst"), (4, "chain")]


def test_keys_are_bounded():
    engine = Engine(FILE, {}, keys=50)
    judged(engine, *((1, {"kind": "c", "who": f"u{n}", "what": "x"}) for n in range(200)))
    assert engine.evicted == 150
    assert len(engine.save()["auditd-burst"]) == 50

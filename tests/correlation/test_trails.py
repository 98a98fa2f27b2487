import random

import msgspec

from mlids.correlation.signs import sign
from mlids.correlation.trails import MOST_EVENTS, MOST_STAGES, Trail, Trails
from mlids.testing import event


def of(type="Port Scan", severity="HIGH", seconds=0, ip="192.0.2.7", **keys):
    return sign(
        event(
            type, severity, seconds=seconds, details={"ip": ip, "description": type}, **keys
        ).stamped()
    )


def test_a_sign_of_medium_makes_a_trail_and_a_low_one_none():
    trails = Trails()
    assert trails.owner(of(severity="LOW")) is None
    trail = trails.owner(of(severity="MEDIUM"))
    assert trail is not None and trail.name == "192.0.2.7"
    assert trails.owner(of(severity="LOW")) is trail


def test_a_trail_lists_what_it_is_made_of_and_is_bounded():
    trail = Trail("x", 0, 0)
    for n in range(500):
        trail.add(of(f"Type {n}", seconds=n))
    assert len(trail.stages) == MOST_STAGES
    for n in range(500):
        trail.add(of("Type 1", seconds=n))
    assert len(trail.events) == MOST_EVENTS
    assert len(trail.stages["Type 1"].events) == 10
    assert trail.stages["Type 1"].count == 501


def test_a_stage_is_described_by_its_worst_event():
    trail = Trail("x", 0, 0)
    trail.add(of("Failed Login", "MEDIUM", 5, techniques=["T1110"]))
    trail.add(of("Brute Force", "HIGH", 3, techniques=["T1110.001"]))
    trail.add(of("Failed Login", "MEDIUM", 9, techniques=["T1110"]))
    stage = trail.stages["credential-access"]
    assert (stage.type, stage.technique, stage.count) == ("Brute Force", "T1110.001", 3)
    assert stage.last_ns - stage.first_ns == 6 * 10**9


def test_the_one_longest_without_a_sign_gives_way():
    trails = Trails(most=2)
    for n in (1, 2, 1, 3):
        trails.owner(of(ip=f"192.0.2.{n}", seconds=n))
    assert [trail.name for trail in trails.save()["quiet"]] == ["192.0.2.1", "192.0.2.3"]
    assert trails.evicted == 1


def test_the_state_survives_msgpack():
    trails = Trails()
    trail = trails.owner(of())
    trail.add(of())
    trail.incident = "x"
    list(trails.promote(trail))
    trails.owner(sign(event("y", "HIGH", source="host", details={"path": "/x"})))
    other = Trails()
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(trails.save())))
    assert msgspec.to_builtins(other.save()) == msgspec.to_builtins(trails.save())
    assert other.owner(of(seconds=3)).incident == "x"


def test_what_intruders_reached_is_known_however_many_there_were():
    trails = Trails(incidents=5)
    chance = random.Random(2)
    for n in range(2000):
        ip = f"192.0.2.{chance.randrange(40)}"
        target = f"10.0.{chance.randrange(40)}.{chance.randrange(40)}"
        details = {"ip": ip, "target": target, "user": "eve"}
        new = sign(event("Successful Login", "HIGH", seconds=n, details=details).stamped())
        trail = trails.owner(new)
        assert trail is not None
        trails.add(trail, new)
        if not trail.incident:
            trail.incident = "x"
            list(trails.promote(trail))
        reached = {one for t in trails.open.values() for one in (*t.targets, *t.machines)}
        assert reached <= trails._reached
    assert len(trails._reached) < 500


def test_a_machine_that_an_intruder_got_into_is_its_next_step():
    trails = Trails()
    for n in range(30):
        details = {"ip": f"192.0.2.{n}", "target": f"10.0.0.{n}", "user": "eve"}
        new = sign(event("Successful Login", "HIGH", seconds=n, details=details).stamped())
        trail = trails.owner(new)
        trails.add(trail, new)
        trail.incident = "x"
        list(trails.promote(trail))
    assert trails.owner(of(ip="10.0.0.7", seconds=40)).name == "192.0.2.7"
    assert trails.owner(of(ip="10.0.0.77", seconds=40)).name == "10.0.0.77"
    again = Trails()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(trails.save())))
    assert again.owner(of(ip="10.0.0.8", seconds=40)).name == "192.0.2.8"

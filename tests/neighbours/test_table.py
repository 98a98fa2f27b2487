from __future__ import annotations

import numpy as np

from mlids.capture import crafting as c
from mlids.capture.neighbours import neighbours
from mlids.neighbours.bindings import Binding
from mlids.neighbours.table import Table, place_keys
from mlids.testing import packets

A, B, PROXY = "3c:52:82:00:00:01", "3c:52:82:00:00:02", "3c:52:82:00:00:03"
NOTHING = np.zeros(0, np.uint64)


def arp(operation: int, src: str, mac: str, ether: str = "", tags: tuple[int, ...] = ()) -> bytes:
    return c.ethernet(c.arp(operation, src, "10.0.0.99", mac), 0x0806, tags, src=ether or mac)


def loud(table: Table, *frames: bytes, leased: int = 0) -> list[int]:
    batch = packets(frames)
    claims = neighbours(batch).claims
    keys = place_keys(batch, claims.row, claims.hi, claims.lo)
    given = np.array([keys[leased - 1]], np.uint64) if leased else NOTHING
    return claims.row[table.loud(batch, claims, keys, given, 0)].tolist()


def test_ordinary_claims_are_entered_and_news_is_left() -> None:
    table = Table(100, 1, [])
    assert loud(table, arp(1, "10.0.0.1", A), arp(1, "10.0.0.2", B)) == []
    assert loud(table, arp(2, "10.0.0.1", A), arp(1, "10.0.0.2", B)) == []
    assert loud(table, arp(1, "10.0.0.1", B), arp(1, "10.0.0.2", B)) == [0]
    assert loud(table, arp(1, "10.0.0.1", A), arp(1, "10.0.0.1", B)) == [0, 1]  # all of an address
    assert loud(table, arp(2, "10.0.0.7", A)) == [0]  # a reply of somebody new
    assert loud(table, arp(1, "10.0.0.1", A, ether=B)) == [0]
    assert loud(table, arp(1, "10.0.0.1", A), leased=1) == [0]
    assert loud(table, arp(1, "10.0.0.1", B, tags=(7,))) == []  # another network


def test_cards_whose_claims_bind_nothing() -> None:
    proxy = int(PROXY.replace(":", ""), 16)
    table = Table(100, 1, [proxy])
    assert loud(table, arp(1, "10.0.0.1", PROXY)) == [0]
    assert loud(table, arp(1, "10.0.0.1", A)) == []


def test_bindings_as_objects_and_back() -> None:
    table = Table(100, 1, [])
    loud(table, arp(1, "10.0.0.1", A))
    batch = packets([arp(1, "10.0.0.1", A), arp(1, "10.0.0.2", A)])
    claims = neighbours(batch).claims
    keys = place_keys(batch, claims.row, claims.hi, claims.lo)
    held = table.held(keys)
    known, unknown = (held[key] for key in keys.tolist())
    assert known.mac == int(A.replace(":", ""), 16)
    assert (known.frame, known.last) == (1, int(batch.time[0]))
    assert unknown == Binding()
    known.mac, unknown.last = 7, 9
    table.write(held)
    again = table.held(keys)
    assert again[int(keys[0])].mac == 7
    assert again[int(keys[1])] == Binding()  # nobody holds it, so there is nothing to keep
    table.write({})


def test_state_and_bounds() -> None:
    table = Table(100, 1 << 62, [])
    frames = [arp(1, f"10.0.{n >> 8}.{n & 255}", A) for n in range(1000)]
    assert loud(table, *frames) == []
    assert table.evicted >= 700
    other = Table(100, 1 << 62, [])
    other.restore(table.save())
    assert other.save() == table.save()

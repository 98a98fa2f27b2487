"""The conversations of a batch, against a plain twin."""

from __future__ import annotations

import random

import numpy as np

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture import flows as module
from mlids.capture.flows import Flows, flows
from mlids.testing import packets

HOSTS = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]


def frames(count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        four = chance.random() < 0.6
        src, dst = chance.sample(HOSTS[:2] if four else HOSTS[2:], 2)
        sport, dport = chance.choice([(1, 2), (2, 1), (3, 2), (2, 2)])
        payload = bytes(chance.randrange(4))
        kind = chance.random()
        if kind < 0.6:
            part = c.ip(
                src,
                dst,
                6,
                c.tcp(sport, dport, chance.choice(["S", "A", "PA", "RA"]), payload=payload),
            )
        elif kind < 0.8:
            part = c.ip(src, dst, 17, c.udp(sport, dport, payload))
        elif kind < 0.9:
            part = c.ip(src, dst, 1 if four else 58, c.icmp(8 if four else 128, payload=payload))
        else:
            part = c.ip(src, dst, 99, payload)
        made.append(c.ethernet(part))
    return made


def plain(batch: PacketBatch) -> list[tuple[int, ...]]:
    """First and last row, packets, bytes and flags each way."""
    known: dict[tuple[object, ...], list[int]] = {}
    first: dict[tuple[object, ...], tuple[int, ...]] = {}
    for row in range(len(batch)):
        if not batch.transport[row]:
            continue
        a = (batch.src_hi[row], batch.src_lo[row], batch.sport[row])
        b = (batch.dst_hi[row], batch.dst_lo[row], batch.dport[row])
        key = (*sorted((a, b)), batch.protocol[row])
        first.setdefault(key, a)
        numbers = known.setdefault(key, [row, row, 0, 0, 0, 0, 0, 0])
        back = int(first[key] != a)
        numbers[1] = row
        numbers[2 + back] += 1
        numbers[4 + back] += int(batch.payload_length[row])
        numbers[6 + back] |= int(batch.flags[row])
    return [tuple(numbers) for numbers in known.values()]


def told(found: Flows) -> list[tuple[int, ...]]:
    columns = (found.row, found.last, found.ahead, found.back, found.ahead_bytes)
    columns += (found.back_bytes, found.ahead_flags, found.back_flags)  # type: ignore[assignment]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_plain_twin_says_the_same() -> None:
    for seed in range(20):
        batch = packets(frames(1 + 17 * seed, seed))
        assert told(flows(batch)) == plain(batch)


def test_large_batches_are_grouped_otherwise_with_the_same_result(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    batch = packets(frames(400, 5))
    expected = told(flows(batch))
    monkeypatch.setattr(module, "PARTED", 10)
    batch.memo.clear()
    assert told(flows(batch)) == expected


def test_rows_know_their_conversation() -> None:
    batch = packets(frames(300, 3))
    found = flows(batch)
    assert (found.of_row >= 0).tolist() == (batch.transport > 0).tolist()
    for n in range(len(found.key)):
        rows = np.flatnonzero(found.of_row == n)
        assert rows[0] == found.row[n]
        assert rows[-1] == found.last[n]
        assert len(rows) == found.ahead[n] + found.back[n]


def test_keys_are_the_same_in_every_batch_and_both_directions() -> None:
    there = c.ethernet(c.ip(HOSTS[0], HOSTS[1], 6, c.tcp(5, 6, "S")))
    back = c.ethernet(c.ip(HOSTS[1], HOSTS[0], 6, c.tcp(6, 5, "SA")))
    one, two = flows(packets([there])), flows(packets([back]))
    assert one.key.tolist() == two.key.tolist()
    other = c.ethernet(c.ip(HOSTS[0], HOSTS[1], 17, c.udp(5, 6)))
    assert flows(packets([other])).key.tolist() != one.key.tolist()


def test_worked_out_once() -> None:
    batch = packets(frames(10, 1))
    assert flows(batch) is flows(batch)


def test_nothing() -> None:
    assert not flows(packets([]))
    assert not flows(packets([c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)]))

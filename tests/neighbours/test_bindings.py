from __future__ import annotations

import msgspec
import pytest

from mlids.neighbours.bindings import (
    MOST_CARDS,
    NS,
    Binding,
    Bindings,
    Claim,
    Finding,
    Limits,
    is_virtual,
)

LIMITS = Limits(live_ns=1200 * NS, claims=3, window_ns=60 * NS, learn_ns=600 * NS)
R, A, M = 0x3C5282000001, 0x3C5282000010, 0x3C5282000066
GATEWAY, HOST = (0, 0, 1), (0, 0, 10)
VRRP = 0x00005E000107


def claim(
    seconds: float, mac: int, address: tuple[int, int, int] = HOST, *, reply: bool = True,
    asked: bool = False, ether: int = 0, six: bool = False,
) -> Claim:  # fmt: skip
    time = 10**18 + int(seconds * NS)
    return Claim(time, address, mac, ether or mac, reply, asked, six, int(seconds), 0)


def made(**more: object) -> Bindings:
    gateways, proxies = more.get("gateways", [(0, 1)]), more.get("proxies", frozenset())
    bindings = Bindings(LIMITS, gateways, proxies)  # type: ignore[arg-type]
    bindings.begin(10**18)
    return bindings


def judged(bindings: Bindings, binding: Binding, *claims: Claim) -> list[Finding]:
    return [found for each in claims for found in bindings.claimed(binding, each)]


def test_holder_is_kept_while_it_lives_and_the_other_is_blamed() -> None:
    binding = Binding()
    found = judged(made(), binding, claim(0, A), claim(1, M), claim(2, A), claim(3, M))
    assert [f.claim.mac for f in found] == [M, M]
    assert {f.previous for f in found} == {A}
    assert binding.mac == A
    assert [f.technique for f in found] == ["contradiction"] * 2
    assert found[0].places == [(0, 1), (0, 0)]


def test_gateway_is_told_even_when_its_card_was_silent() -> None:
    binding = Binding()
    found = judged(made(), binding, claim(0, R, GATEWAY), claim(5000, M, GATEWAY))
    assert [(f.technique, f.high) for f in found] == [("gateway", True)]
    assert binding.mac == M
    assert judged(made(), binding, claim(5001, M, GATEWAY)) == []


def test_card_that_was_caught_holds_nothing_against_others() -> None:
    bindings, binding = made(), Binding()
    judged(bindings, binding, claim(0, M), claim(1, M, (0, 0, 11)))
    for n, address in enumerate([(0, 0, 11), (0, 0, 12), (0, 0, 13)]):
        judged(bindings, Binding(), claim(2 + n, M, address))
    assert judged(bindings, binding, claim(9, A)) == []  # the owner comes back
    assert binding.mac == A


def test_replies_by_turns() -> None:
    binding = Binding()
    turns = [claim(n, (A, M)[n % 2], asked=True) for n in range(6)]
    assert [f.technique for f in judged(made(), binding, *turns)] == ["conflict"] * 2
    slow = [claim(n * 61, (A, M)[n % 2], asked=True) for n in range(6)]
    assert judged(made(), Binding(), *slow) == []


def test_claims_are_counted_by_card_and_window() -> None:
    def spread(gap: float, **more: object) -> list[Finding]:
        bindings = made(**more)
        return [
            found
            for n in range(4)
            for found in bindings.claimed(Binding(), claim(n * gap, M, (0, 0, 50 + n)))
        ]

    assert [len(f.addresses) for f in spread(1)] == [3, 4]
    assert [len(f.addresses) for f in spread(20)] == [3, 3]
    assert spread(30) == []
    assert spread(1, proxies=frozenset([M])) == []
    bindings = made()
    bindings.routed(M)
    assert bindings.routers == [M]
    assert [
        f for n in range(4) for f in bindings.claimed(Binding(), claim(n, M, (0, 0, n + 50)))
    ] == []


def test_sender() -> None:
    [found] = judged(made(), Binding(), claim(0, A, ether=M))
    assert found.technique == "sender-mismatch"
    assert judged(made(), Binding(), claim(0, A, ether=VRRP)) == []
    assert judged(made(), Binding(), claim(0, A)._replace(ether=0)) == []


def test_leases_move_addresses_but_not_the_gateway() -> None:
    bindings, binding = made(), Binding()
    judged(bindings, binding, claim(0, A))
    bindings.leased(binding, claim(1, M))
    assert judged(bindings, binding, claim(2, M)) == []
    gateway = Binding()
    judged(bindings, gateway, claim(0, R, GATEWAY))
    bindings.leased(gateway, claim(1, M, GATEWAY))
    assert gateway.mac == R
    bindings.service(0, 10)
    bindings.leased(binding, claim(3, A))
    assert binding.mac == M


@pytest.mark.parametrize(
    ("mac", "virtual"),
    [
        (VRRP, True),
        (0x00005E000201, True),
        (0x00000C07AC0A, True),
        (0x00000C9FFABC, True),
        (0x000573A00FFF, True),
        (0x0007B4000102, True),
        (0x00005E000301, False),
        (0x000573A01000, False),
        (A, False),
    ],
)
def test_virtual_cards(mac: int, virtual: bool) -> None:
    assert is_virtual(mac) is virtual
    binding = Binding()
    found = judged(made(), binding, claim(0, R, GATEWAY), claim(1, mac, GATEWAY))
    assert (found == []) is virtual


def test_routers_that_advertise_themselves() -> None:
    bindings = made()
    first = list(bindings.advertised(claim(0, R, (0, 7, 1), six=True)))
    assert first == []
    assert list(bindings.advertised(claim(700, R, (0, 7, 1), six=True))) == []
    [found] = bindings.advertised(claim(701, M, (0, 7, 2), six=True))
    assert (found.technique, found.previous) == ("ndp-spoof", R)
    assert list(bindings.advertised(claim(4000, M, (0, 7, 2), six=True))) == []  # the other is gone


def test_state_and_bounds() -> None:
    bindings = made()
    for n in range(MOST_CARDS + 500):
        list(bindings.claimed(Binding(), claim(n / 1000, 0x020000000000 + n, (0, 0, n + 100))))
    assert bindings.evicted == 500
    bindings.routed(R)
    bindings.service(0, 9)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(bindings.save()))
    other = Bindings(LIMITS, [(0, 1)], frozenset())
    other.restore(state)
    assert other.save() == bindings.save()

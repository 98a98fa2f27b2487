"""Lets a share of the conversations through, whole: decided in the kernel, by a hash of both ends.

For links that are faster than the machine. What is let through is complete in both directions, so
everything that is said about a conversation stays true; what is counted over conversations is a
share of the truth. Packets that are neither IPv4 nor IPv6 all come through.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

# Classic BPF (linux/filter.h): class | size | mode, or class | operation | source.
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
W, H, B = 0x00, 0x08, 0x10
ABS, IND, MEM, MSH = 0x20, 0x40, 0x60, 0xA0
ADD, MUL, RSH, XOR = 0x00, 0x20, 0x70, 0xA0
JA, JEQ, JGE, JSET = 0x00, 0x10, 0x30, 0x40
X = 0x08
TAX = MISC
PROTOCOL = 0xFFFFF000  # the ethertype, VLAN tags taken off
NET = 0xFFF00000  # offsets from the network header, whatever the link
MIX = (0x9E3779B1, 0x85EBCA6B)  # odd numbers with well spread bits (Knuth; MurmurHash3)

_Step = tuple[int, int, str, str]  # code, k, where to go if true and if false ("": on)


def sampled(program: bytes, share: float, snaplen: int) -> bytes:
    """A filter that lets through what `program` does, of this only a share of conversations.

    program: instructions of 8 bytes each, whose accepting returns become jumps to the sampling.
    """
    if share >= 1:
        return program
    count = len(program) // 8
    rewritten = []
    for n in range(count):
        code, yes, no, k = struct.unpack_from("=HBBI", program, n * 8)
        accepts = code & 7 == RET and k > 0
        rewritten.append(
            _pack(JMP | JA, 0, 0, count - n - 1) if accepts else _pack(code, yes, no, k)
        )
    return b"".join(rewritten) + _assembled(_steps(share, snaplen))


def _steps(share: float, snaplen: int) -> Sequence[tuple[str, _Step]]:
    """The sampling, with names for the places that are jumped to. M[0] gathers both ends."""
    limit = min(int(share * (1 << 32)), 0xFFFF_FFFF)
    return [
        ("", (LD | W | ABS, PROTOCOL, "", "")),
        ("", (JMP | JEQ, 0x0800, "four", "")),
        ("", (JMP | JEQ, 0x86DD, "six", "all")),
        # IPv4: addresses; ports where it is no fragment and has some.
        ("four", (LD | W | ABS, NET + 12, "", "")),
        ("", (TAX, 0, "", "")),
        ("", (LD | W | ABS, NET + 16, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (ST, 0, "", "")),
        ("", (LD | H | ABS, NET + 6, "", "")),
        ("", (JMP | JSET, 0x3FFF, "mix", "")),
        ("", (LD | B | ABS, NET + 9, "", "")),
        ("", (JMP | JEQ, 6, "ports", "")),
        ("", (JMP | JEQ, 17, "ports", "")),
        ("", (JMP | JEQ, 132, "ports", "mix")),
        ("ports", (LDX | B | MSH, NET, "", "")),
        ("", (LD | H | IND, NET, "", "")),
        ("", (ST, 1, "", "")),
        ("", (LD | H | IND, NET + 2, "", "")),
        ("", (JMP | JA, 0, "both", "")),
        # IPv6: the words that differ between hosts and between networks.
        ("six", (LD | W | ABS, NET + 20, "", "")),
        ("", (TAX, 0, "", "")),
        ("", (LD | W | ABS, NET + 36, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (TAX, 0, "", "")),
        ("", (LD | W | ABS, NET + 12, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (TAX, 0, "", "")),
        ("", (LD | W | ABS, NET + 28, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (ST, 0, "", "")),
        ("", (LD | B | ABS, NET + 6, "", "")),
        ("", (JMP | JEQ, 6, "ports6", "")),
        ("", (JMP | JEQ, 17, "ports6", "mix")),
        ("ports6", (LD | H | ABS, NET + 40, "", "")),
        ("", (ST, 1, "", "")),
        ("", (LD | H | ABS, NET + 42, "", "")),
        ("both", (LDX | MEM, 1, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (LDX | MEM, 0, "", "")),
        ("", (ALU | ADD | X, 0, "", "")),
        ("", (ST, 0, "", "")),
        ("mix", (LD | MEM, 0, "", "")),
        ("", (ALU | MUL, MIX[0], "", "")),
        ("", (TAX, 0, "", "")),
        ("", (ALU | RSH, 15, "", "")),
        ("", (ALU | XOR | X, 0, "", "")),
        ("", (ALU | MUL, MIX[1], "", "")),
        ("", (TAX, 0, "", "")),
        ("", (ALU | RSH, 13, "", "")),
        ("", (ALU | XOR | X, 0, "", "")),
        ("", (JMP | JGE, limit, "none", "all")),
        ("none", (RET, 0, "", "")),
        ("all", (RET, snaplen, "", "")),
    ]


def _assembled(steps: Sequence[tuple[str, _Step]]) -> bytes:
    places = {name: n for n, (name, _) in enumerate(steps) if name}
    made = []
    for n, (_, (code, k, yes, no)) in enumerate(steps):
        ahead = [places[name] - n - 1 if name else 0 for name in (yes, no)]
        if code == JMP | JA:
            made.append(_pack(code, 0, 0, ahead[0]))
        else:
            made.append(_pack(code, ahead[0], ahead[1], k))
    return b"".join(made)


def _pack(code: int, yes: int, no: int, k: int) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)

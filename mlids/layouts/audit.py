"""Records of the Linux audit system: ``type=SYSCALL msg=audit(1684329817.579:2996): key=value …``.

They stand at the beginning of a line, or behind the tag of a program that hands them on; what a
user typed (a name, a command) is quoted or written in hexadecimal by the kernel, and is decoded.
"""

from __future__ import annotations

import re
from typing import Any

from mlids.layouts import tags

Record = dict[str, Any]

_HEAD = re.compile(
    rb"(?:(?!type=|node=)"
    + tags.header(rb"kernel|audispd|audisp-syslog|auditd|audit")
    + rb"(?:audit: )?)?(?:node=(?P<node>[^\s]{1,255}) )?"
    rb"type=(?P<type>[A-Z0-9_\[\]]{1,40}) (?:msg=)?audit\((?P<second>\d{1,11})\.(?P<part>\d{1,6})"
    rb":(?P<serial>\d{1,20})\): ?"
)
_PAIR = re.compile(
    r"""(?<![\w-])([A-Za-z_][\w\[\]-]{0,63}+)=(?:"([^"]*+)"|'([^']*+)'|([^\s"']*+))"""
)
_NESTED = re.compile(r"(?:^|(?<=\s))msg='")
_GLUED = re.compile(r"[A-Z]{2,12}=?$")  # the separator of interpreted fields was lost
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ARGUMENT = re.compile(r"a(\d{1,4})(?:\[(\d{1,4})\])?")
# What the kernel writes in hexadecimal where it holds blanks, quotes or bytes beyond ASCII.
NOTHING = frozenset(("(null)", "?"))
TYPED = frozenset(
    ("acct", "cmd", "comm", "cwd", "data", "dir", "exe", "key", "name", "ocomm", "path",
     "proctitle", "vm", "watch", "grp", "new-disk", "old-disk", "file", "sw", "unit")
)  # fmt: skip
# The kernel's own lines name some types by number (linux/audit.h).
NUMBERS = {
    "1100": "USER_AUTH", "1101": "USER_ACCT", "1105": "USER_START", "1112": "USER_LOGIN",
    "1123": "USER_CMD", "1300": "SYSCALL", "1302": "PATH", "1305": "CONFIG_CHANGE", "1307": "CWD",
    "1309": "EXECVE", "1326": "SECCOMP", "1327": "PROCTITLE", "1400": "AVC", "1701": "ANOM_ABEND",
    "1700": "ANOM_PROMISCUOUS", "1330": "KERN_MODULE",
}  # fmt: skip


def record(line: bytes) -> Record:
    """The fields of a line; `type`, `serial`, `time` (ns) and `node` beside; {} where it is none.

    Fields of a nested ``msg='…'`` stand beside the others, arguments of EXECVE are the list `argv`.
    """
    head = _HEAD.match(line)
    if head is None:
        return {}
    kind = head["type"].decode()
    kind = NUMBERS.get(kind, kind)
    found: Record = {"type": kind}
    text, _, interpreted = line[head.end() :].decode("utf-8", "replace").partition("\x1d")
    for piece in (*_parts(text), interpreted.replace("\x1d", " ")):
        _read(found, piece)
    if kind == "EXECVE":
        _arguments(found)
    second, part = int(head["second"]), head["part"]
    found["time"] = second * 10**9 + int(part.ljust(9, b"0")) if second < 2**33 else 0
    found["serial"] = head["serial"].decode()
    node = head["node"] or head["host"] or head["machine"]
    if node:
        found["node"] = node.decode("utf-8", "replace")
    return found


def kind(line: bytes) -> tuple[str, str]:
    """Type and serial of a record, without its fields; both "" where the line is none."""
    head = _HEAD.match(line)
    if head is None:
        return "", ""
    name = head["type"].decode()
    return NUMBERS.get(name, name), head["serial"].decode()


def _parts(text: str) -> tuple[str, ...]:
    """What stands before, in and behind the quotes of ``msg='…'``.

    A name that a user typed may hold a single quote, so the last one is the end.
    """
    nested = _NESTED.search(text)
    if nested is None:
        return (text,)
    end = text.rfind("'", nested.end())
    end = end if end >= 0 else len(text)
    return text[: nested.start()], text[nested.end() : end], text[end + 1 :]


def _read(found: Record, text: str) -> None:
    """Take up the pairs of a text; the first of a name counts."""
    execve = found["type"] == "EXECVE"
    for name, double, single, bare in _PAIR.findall(text):
        if name in found:
            continue
        if bare:
            if bare not in NOTHING:
                encoded = name in TYPED or (execve and name[0] == "a" and name != "argc")
                found[name] = _typed(bare) if encoded else _unglued(bare)
        elif double:
            found[name] = double
        elif single:
            found[name] = single


def _unglued(bare: str) -> str:
    glued = _GLUED.search(bare) if bare[-1] == "=" else None
    return bare[: glued.start()] if glued else bare


def _typed(bare: str) -> str:
    """Text that somebody typed: in hexadecimal, where it stands without quotes."""
    if not _HEX.fullmatch(bare):
        return _unglued(bare)
    return bytes.fromhex(bare).replace(b"\0", b" ").decode("utf-8", "replace").rstrip()


def _arguments(found: Record) -> None:
    """Gather a0, a1, a2[0], a2[1] … into one list."""
    arguments: dict[int, str] = {}
    for name in [name for name in found if _ARGUMENT.fullmatch(name)]:
        match = _ARGUMENT.fullmatch(name)
        assert match is not None
        number = int(match[1])
        arguments[number] = arguments.get(number, "") + str(found.pop(name))
    found["argv"] = [arguments[number] for number in sorted(arguments)]

"""Gives up every right of root that MLIDS does not need (Linux)."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_log = logging.getLogger(__name__)

# Numbers from linux/capability.h and linux/prctl.h.
CAPABILITIES = {"dac_override": 1, "dac_read_search": 2, "net_bind_service": 10, "net_raw": 13}
_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def needed(logs_dir: Path, ports: Iterable[int] = ()) -> set[str]:
    """What MLIDS opens its inputs with and goes on using: raw sockets, logs, its own folder.

    ports: those it serves; below 1024 they are for the privileged.
    """
    kept = {"net_raw", "dac_read_search"}
    places = [place for place in (logs_dir.absolute(), *logs_dir.absolute().parents) if _is(place)]
    if any(place.stat().st_uid != os.geteuid() for place in places[:2]):
        kept.add("dac_override")  # root without it may not write where another user owns
    if any(port < 1024 for port in ports):
        kept.add("net_bind_service")
    return kept


def _is(place: Path) -> bool:
    return os.path.exists(place)  # noqa: PTH110 - False where it may not be looked at


def drop(keep: Iterable[str]) -> bool:
    """Keep only these capabilities, in this thread and those it starts; True where it was done.

    Threads that run already keep what they have: the kernel counts rights by thread. For root
    only; also forbids to gain rights by executing another program.
    """
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    kept = {CAPABILITIES[name] for name in keep}
    for number in range(64):
        if number not in kept:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    mask = sum(1 << number for number in kept)
    data = (_Data * 2)(
        _Data(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0), _Data(mask >> 32, mask >> 32, 0)
    )
    if libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), data) != 0:
        _log.warning("rights of root were not given up: %s", os.strerror(ctypes.get_errno()))
        return False
    return True

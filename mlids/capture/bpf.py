"""Packet filters in the language of tcpdump, compiled by libpcap for the kernel."""

from __future__ import annotations

import ctypes
import ctypes.util
import struct

from mlids.errors import MLIDSError

RETURN = 0x06  # BPF_RET | BPF_K
_UNKNOWN_NETMASK = 0xFFFFFFFF
_NAMES = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.so")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("instructions", ctypes.c_void_p)]


def everything(snaplen: int) -> bytes:
    """A program that takes the first `snaplen` bytes of every packet."""
    return struct.pack("=HBBI", RETURN, 0, 0, snaplen)


def compiled(filter: str, kind: int, snaplen: int) -> bytes:
    """The instructions of a filter (8 bytes each) that takes `snaplen` bytes of what it lets in.

    filter: as tcpdump reads it, "" for everything; kind: link type. Raises `MLIDSError` E005 (no
    libpcap here) or E002 (no such filter).
    """
    if not filter.strip():
        return everything(snaplen)
    if "\0" in filter:
        raise MLIDSError("E002", "a packet filter cannot hold NUL")
    pcap = _libpcap()
    handle = pcap.pcap_open_dead(kind, snaplen)
    program = _Program()
    try:
        text = filter.encode("utf-8", "replace")
        if pcap.pcap_compile(handle, ctypes.byref(program), text, 1, _UNKNOWN_NETMASK) != 0:
            reason = pcap.pcap_geterr(handle).decode("utf-8", "replace")
            raise MLIDSError("E002", f"packet filter {filter!r}: {reason}")
        code = ctypes.string_at(program.instructions, program.length * 8)
        pcap.pcap_freecode(ctypes.byref(program))
        return code
    finally:
        pcap.pcap_close(handle)


def _libpcap() -> ctypes.CDLL:
    found = ctypes.util.find_library("pcap")
    for name in (*_NAMES, found):
        try:
            pcap = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if pcap is not None:
            pcap.pcap_open_dead.restype = ctypes.c_void_p
            pcap.pcap_geterr.restype = ctypes.c_char_p
            for function in (pcap.pcap_geterr, pcap.pcap_close):
                function.argtypes = [ctypes.c_void_p]
            pcap.pcap_compile.argtypes = [
                ctypes.c_void_p,
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_int,
                ctypes.c_uint32,
            ]
            return pcap
    raise MLIDSError(
        "E005",
        "a packet filter needs libpcap, which is not installed",
        "apt-get install libpcap0.8, or leave the filter out",
    )

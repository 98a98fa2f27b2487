"""What access points say of themselves in beacons and probe responses, as columns.

IEEE Std 802.11-2020 § 9.3.3.2 and § 9.4.2; the elements of all frames are followed at once, one
element of each frame a step.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.dns import name_key
from mlids.capture.headers import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.wifi import Management

    Places = NDArray[np.int64]
    Words = NDArray[np.uint64]

PROBE_RESPONSE, BEACON = 5, 8
FIXED = 12  # time stamp, interval, capabilities
PRIVACY = 0x10
SSID, CHANNEL, RSN, HT_OPERATION, VENDOR = 0, 3, 48, 61, 221
MOST_ELEMENTS = 64
MOST_SSID = 32
WPA = 0x0050F201
SUITES = 4  # key management suites that are looked at
SAE = (0x000FAC08, 0x000FAC09, 0x000FAC18, 0x000FAC19)
OWE = 0x000FAC12


class Security(IntEnum):
    """How a network is protected, weakest first; WEP stands for any encryption without a name."""

    OPEN = 0
    WEP = 1
    WPA = 2
    WPA2 = 3
    WPA3 = 4


class Beacons(NamedTuple):
    """Beacons and probe responses of a batch with an SSID element, in order of their rows."""

    row: Places
    bssid: Words
    response: NDArray[np.bool_]  # a probe response
    ssid_at: Places  # where the name begins in batch.data
    ssid_size: Places
    ssid_key: Words  # a well mixed number of the name; those without letters have 0
    channel: NDArray[np.uint8]  # as the frame says, else as it was received; 0 unknown
    security: NDArray[np.uint8]  # see `Security`: the strongest that is offered

    def ssid(self, batch: PacketBatch, index: int) -> bytes:
        """The name as it was sent."""
        begin = int(self.ssid_at[index])
        return batch.data[begin : begin + int(self.ssid_size[index])].tobytes()


def beacons(batch: PacketBatch, frames: Management) -> Beacons:
    """The beacons and probe responses among these management frames."""
    some = np.flatnonzero((frames.subtype == BEACON) | (frames.subtype == PROBE_RESPONSE))
    some = some[frames.body[some] + FIXED <= frames.end[some]]
    body, end = frames.body[some], frames.end[some]
    data = batch.data
    found = _elements(data, body + FIXED, end)
    named = found[SSID] > 0
    some, body = some[named], body[named]
    found = {kind: places[named] for kind, places in found.items()}
    size = np.minimum(_size(data, found[SSID]), MOST_SSID)
    at = found[SSID] + 2
    private = number(data, body + 10, "<u2") & PRIVACY > 0
    return Beacons(
        frames.row[some],
        frames.bssid[some],
        frames.subtype[some] == PROBE_RESPONSE,
        at,
        size,
        _key(data, at, size),
        _channel(data, found, frames.frequency[some]),
        _security(data, found, private),
    )


def _size(data: NDArray[np.uint8], places: Places) -> Places:
    return number(data, places + 1, "u1").astype(np.int64)


def _elements(data: NDArray[np.uint8], at: Places, end: Places) -> dict[int, Places]:
    """Where the first element of each kind stands, 0 where there is none."""
    kinds = (SSID, CHANNEL, RSN, HT_OPERATION, VENDOR)
    found = {kind: np.zeros(len(at), np.int64) for kind in kinds}
    left, at = np.arange(len(at)), at.copy()
    for _ in range(MOST_ELEMENTS):
        left = left[at[left] + 2 <= end[left]]
        if not len(left):
            break
        place = at[left]
        kind, size = number(data, place, "u1"), _size(data, place)
        fits = place + 2 + size <= end[left]
        left, place, kind, size = left[fits], place[fits], kind[fits], size[fits]
        for wanted in kinds:
            here = (kind == wanted) & (found[wanted][left] == 0)
            if wanted == VENDOR:
                here &= (size >= 4) & (number(data, place + 2, ">u4") == WPA)
            found[wanted][left[here]] = place[here]
        at[left] = place + 2 + size
    return found


def _key(data: NDArray[np.uint8], at: Places, size: Places) -> Words:
    """Keys of names; those that are hidden, empty or all zeros, have 0."""
    hidden = size == 0
    zeros = np.flatnonzero(~hidden & (number(data, at, "u1") == 0))
    for n in zeros.tolist():
        hidden[n] = not data[int(at[n]) : int(at[n] + size[n])].any()
    return np.where(hidden, np.uint64(0), name_key(data, at, at + size, 0))


def _channel(
    data: NDArray[np.uint8], found: dict[int, Places], frequency: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """The channel that the frame names, since a neighbouring one may have been listened to."""
    plain, high = found[CHANNEL], found[HT_OPERATION]
    tuned = frequency.astype(np.int64)
    first = np.where(tuned >= 5950, 5950, np.where(tuned >= 5000, 5000, 2407))
    tuned = np.where(tuned == 2484, 14, np.where(tuned > 2407, (tuned - first) // 5, 0))
    channel = np.where((high > 0) & (_size(data, high) >= 1), number(data, high + 2, "u1"), tuned)
    named = (plain > 0) & (_size(data, plain) == 1)
    return np.where(named, number(data, plain + 2, "u1"), channel).astype(np.uint8)


def _security(
    data: NDArray[np.uint8], found: dict[int, Places], private: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    security = np.where(private, Security.WEP, Security.OPEN).astype(np.uint8)
    security[found[VENDOR] > 0] = Security.WPA
    rows = np.flatnonzero(found[RSN])
    at = found[RSN][rows]
    end = at + 2 + _size(data, at)
    suites = at + 10 + 4 * number(data, np.minimum(at + 8, end), "<u2").astype(np.int64)
    count = np.where(suites + 2 <= end, number(data, np.minimum(suites, end), "<u2"), 0)
    sae, owe = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for n in range(SUITES):
        place = suites + 2 + 4 * n
        there = (n < count) & (place + 4 <= end)
        suite = number(data, np.where(there, place, 0), ">u4")
        sae |= there & np.isin(suite, SAE)
        owe |= there & (suite == OWE)
    # Encrypted for nobody in particular (OWE): more than open, less than a password.
    found_here: Any = np.where(sae, Security.WPA3, np.where(owe, Security.WEP, Security.WPA2))
    security[rows] = found_here
    return security


def safe_text(ssid: bytes) -> str:
    """A network's name as text that harms no terminal: what is not printable becomes `?`."""
    text = ssid[:MOST_SSID].decode("utf-8", "replace")
    return "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in text)

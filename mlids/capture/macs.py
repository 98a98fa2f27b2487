"""Hardware addresses of frames, as 48-bit numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import links
from mlids.capture.headers import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Words = NDArray[np.uint64]

SHIFT = 16  # eight bytes are read where six are meant
GROUP = 1 << 40  # set in addresses of groups (IEEE 802 § 8.2)
BROADCAST = 0xFFFF_FFFF_FFFF


def macs(batch: PacketBatch, rows: NDArray[Any]) -> tuple[Words, Words]:
    """Sender and receiver of these rows; 0 where the link layer does not say.

    Linux cooked captures know the sender only, raw ones neither.
    """
    kinds, start = batch.link_type[rows], batch.start[rows]
    wired = kinds == links.ETHERNET
    whole = batch.captured[rows] >= 14
    if wired.all() and whole.all():  # nearly always
        senders = number(batch.data, start + 6, ">u8") >> np.uint64(SHIFT)
        return senders, number(batch.data, start, ">u8") >> np.uint64(SHIFT)
    wired &= whole
    senders, receivers = np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.uint64)
    senders[wired] = number(batch.data, start[wired] + 6, ">u8") >> np.uint64(SHIFT)
    receivers[wired] = number(batch.data, start[wired], ">u8") >> np.uint64(SHIFT)
    for kind, size, offset in ((links.COOKED, 16, 6), (links.COOKED2, 20, 12)):
        cooked = (kinds == kind) & (batch.captured[rows] >= size)
        # Six bytes, as the length field before the address says.
        cooked &= batch.data[np.minimum(start + offset - 1, len(batch.data) - 1)] == 6
        senders[cooked] = number(batch.data, start[cooked] + offset, ">u8") >> np.uint64(SHIFT)
    return senders, receivers


def mac_text(mac: int) -> str:
    """``aa:bb:cc:dd:ee:ff``."""
    digits = f"{int(mac):012x}"
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))


def mac_number(text: str) -> int:
    """The number of ``aa:bb:cc:dd:ee:ff``, ``AA-BB-…`` or ``aabb.ccdd.eeff``. Raises ValueError."""
    plain = text.strip().replace(":", "").replace("-", "").replace(".", "")
    if len(plain) != 12 or not all(c in "0123456789abcdefABCDEF" for c in plain):
        raise ValueError(f"{text!r} is no hardware address; one looks like aa:bb:cc:dd:ee:ff")
    return int(plain, 16)

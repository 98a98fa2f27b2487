"""Hands events to one handler, sink or notifier, so that neither side waits for the other.

`queue` is the whole of it, seen from outside; `rounds` does the work in its thread, `courier`
makes one offer to a sink, `backlog` keeps what waits (memory first, then `spool` on disk),
`tellings` holds notifiers to the volume law, `rejects` puts aside what a sink never takes,
`account` counts.
"""

from mlids.delivery.account import DeliveryStatus
from mlids.delivery.queue import Delivery

__all__ = ["Delivery", "DeliveryStatus"]

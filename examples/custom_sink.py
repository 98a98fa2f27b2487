"""A sink of your own: posts events to a web service.

    python examples/custom_sink.py http://127.0.0.1:8000/events

Only `send_event` is needed. MLIDS queues, retries with growing pauses and spools to disk; whatever
`send_event` raises means that the event is offered again.
"""

from __future__ import annotations

import sys
import tempfile
import urllib.request

from mlids import MLIDS
from mlids.config import ConfigManager
from mlids.events import Event, EventSink


class WebService(EventSink):
    """Posts each event as JSON."""

    retry_seconds = 5.0  # the longest pause between two tries

    def __init__(self, address: str) -> None:
        self.address = address

    def send_event(self, event: Event) -> None:
        """Deliver one event; returning means that it was taken."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address, event.encoded(), headers)
        with urllib.request.urlopen(request, timeout=10):
            pass


def main(address: str, seconds: float) -> None:
    """Watch this folder for some seconds and post what changes in it."""
    with tempfile.TemporaryDirectory() as folder:
        config = ConfigManager(f"{folder}/config.yaml")
        config.override(
            {
                "logging.logs_dir": f"{folder}/logs",
                "monitoring.interface": "none",
                "monitoring.app_log": "none",
                "notifiers.console.enabled": False,
            }
        )
        ids = MLIDS(config=config)
        ids.add_sink(WebService(address))
        ids.start()
        ids.wait(seconds)
        ids.stop()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60)

"""A handler of your own: counts failed logins by address while MLIDS runs in this process.

python examples/custom_handler.py LOGFILE [SECONDS]
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter

from mlids import MLIDS
from mlids.config import ConfigManager
from mlids.events import Event, EventFilter, EventHandler


class Tally(EventHandler):
    """Counts failed logins by address."""

    def __init__(self) -> None:
        self.by_address: Counter[str] = Counter()

    def handle_event(self, event: Event) -> None:
        """Called once for each event, in a thread of its own."""
        if event["type"] == "Failed Login":
            self.by_address[event["details"]["ip"]] += 1


def main(log: str, seconds: float) -> None:
    """Read a log, print the tally and the worst that was found."""
    with tempfile.TemporaryDirectory() as folder:
        config = ConfigManager(f"{folder}/config.yaml")
        config.override(
            {
                "logging.logs_dir": f"{folder}/logs",
                "monitoring.interface": "none",
                "monitoring.directory": "none",
                "monitoring.app_log": log,
                "monitors.logs.from_start": True,
                "notifiers.console.enabled": False,
            }
        )
        ids, tally = MLIDS(config=config), Tally()
        ids.register_handler(tally)
        ids.start()
        ids.wait(seconds)
        worst = ids.get_events(filters=[EventFilter(severity=["HIGH", "CRITICAL"])])
        ids.stop()
    for address, count in tally.by_address.most_common(5):
        print(f"{count:6} failed logins from {address}")
    for event in worst:
        print(f"{event.severity} {event.type}: {event.details['description']}")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10)

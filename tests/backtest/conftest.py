"""A machine that was attacked: its auth log, and what MLIDS stored of it."""

from __future__ import annotations

import pytest

from mlids import assembly
from mlids.archive import Archive
from mlids.backtest import backtest
from mlids.config import ConfigManager
from mlids.events import format_time
from mlids.logger import EventLogger
from mlids.scanning import Scan
from mlids.testing import START_NS
from mlids.volume import NS

HOUR_NS = 3600 * NS


class House:
    """The folder of one MLIDS. attackers: how often each address fails, on an account of its own."""

    attackers = {f"203.0.113.{n}": n for n in (3, 4, 5, 6, 7, 12)}

    def __init__(self, folder):
        self.folder = folder
        self.logs = folder / "logs"
        self.log = folder / "auth.log"
        self.manager = ConfigManager(folder / "config.yaml", environment={})

    def line(self, seconds, ip, user="root", pid=1000, verb="Failed"):
        stamp = format_time(START_NS + int(seconds * NS)).replace("Z", "+00:00")
        return f"{stamp} host sshd[{pid}]: {verb} password for {user} from {ip} port 4242 ssh2\n"

    def attacked(self):
        """Writes the log; one attacker after the other, ten seconds between two tries."""
        tries = [ip for ip, count in self.attackers.items() for _ in range(count)]
        lines = [self.line(10 * n, ip, f"user{ip}", 1000 + n) for n, ip in enumerate(tries)]
        self.log.write_text("".join(lines))
        return self.log

    def store(self, *paths):
        """Scans files and stores what is told, as `scan --store` and `start` do."""
        settings = self.manager.settings
        logger = EventLogger(
            self.logs, compression="none", correlators=assembly.correlators(settings)
        )
        scan = Scan(settings, [str(path) for path in paths], lambda error: None)
        scan.stage = logger
        found = list(scan)
        logger.close()
        return found

    def keep(self, events):
        """Stores events as they are."""
        logger = EventLogger(self.logs, compression="none")
        for event in events:
            logger.log(event)
        logger.close()

    @property
    def archive(self):
        return Archive(self.logs, complete=False)

    def backtest(self, *changes, **options):
        period = {"since_ns": START_NS - HOUR_NS, "until_ns": START_NS + 23 * HOUR_NS}
        options = {"now_ns": START_NS} | period | options
        return backtest(self.archive, self.manager, changes, **options)

    @staticmethod
    def of(detections, type="Brute Force"):
        """The entities of detections of one type."""
        return {one.entity for one in detections if one.type == type}


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)

"""Port scans that a Linux firewall logged: packets it refused, counted per source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from mlids import addresses
from mlids.batches import Detector, LineBatch
from mlids.capture.addresses import HOME, Networks, words
from mlids.capture.exemptions import Exempt
from mlids.episodes import Account, Episodes
from mlids.events import Event
from mlids.ingested.contacts import DAY_NS, NS, Contact, Limits, Scan, Sources, kind_of
from mlids.layouts import netfilter
from mlids.lines import chunks

QUIET_S = 900.0
MOST_LIVE = 2000  # scanners told apart at a time, of one technique
NAMED = 10
PROTOCOLS = {"udp": "UDP", "echo": "ICMP"}


class KernelFirewallSettings(Exempt, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When refused packets are a scan, and whose are none."""

    threshold: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            description="different ports of one target that were refused",
            extra={"key": "thresholds.port_scan_threshold"},
        ),
    ] = 10
    window_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="within so many s")] = 60.0
    sweep_hosts: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="hosts on one port within 5 min")
    ] = 25
    echo_hosts: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="hosts by ICMP within window_s")
    ] = 10
    contacts: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="different (host, port), gaps below 15 min")
    ] = 25
    slow_contacts: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="different (host, port) in 24 h")
    ] = 30
    home_networks: Annotated[list[str], msgspec.Meta(extra={"key": "network.home_networks"})] = (
        msgspec.field(default_factory=lambda: list(HOME))
    )
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="sources remembered")
    ] = 20_000


class KernelFirewall(Detector[LineBatch]):
    """Says who scans whom by what iptables, nftables or ufw refused and logged.

    Techniques: syn, fin, null, xmas, udp (ports of a target), sweep (hosts), slow. Lines of packets
    that were let through, that leave the machine or that may be late answers are no evidence.
    """

    Settings = KernelFirewallSettings
    kind = LineBatch
    settings: KernelFirewallSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        window_ns = int(s.window_s * NS)
        limits = Limits(
            s.threshold, window_ns, s.sweep_hosts, s.echo_hosts, s.contacts, s.slow_contacts
        )
        self._sources = Sources(limits, s.max_keys)
        self._home = Networks(s.home_networks)
        self._ignored_sources, self._ignored_targets = s.sources(), s.targets()
        self._episodes = Episodes(QUIET_S, most=MOST_LIVE)
        self._slow = Episodes(DAY_NS / NS, most=MOST_LIVE)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """The scans that these lines complete or continue."""
        if not len(batch):
            if batch.now:
                yield from self._close(batch.now)
            return
        rows = chunks.rows_with(batch, netfilter.MARK)
        if not len(rows):
            return
        narrow = batch.take(rows)
        times = _times(narrow)
        for row, time_ns in enumerate(times):
            packet = netfilter.packet(narrow.line(row))
            kind = kind_of(packet) if packet else ""
            if packet and kind and self._of_interest(packet):
                place = (batch.source, int(narrow.numbers[row]), _offset(narrow, row))
                port = max(packet.dport, 0)
                contact = Contact(kind, packet.dst, port, time_ns or batch.written, place)
                yield from self._observe(packet.src, contact)

    def _observe(self, src: str, contact: Contact) -> Iterator[Event]:
        for scan in self._sources.observe(src, contact):
            yield from self._close(contact.time_ns)
            key = (scan.technique, addresses.keys(src)[0], scan.target)
            slow = scan.technique == "slow"
            episodes = self._slow if slow else self._episodes
            time_ns = scan.contacts[-1].time_ns
            yield from episodes.trigger(key, time_ns, self._account(src, scan))

    def _of_interest(self, packet: netfilter.Logged) -> bool:
        return not (
            self._ignored_sources.holds(*words(packet.src))
            or self._ignored_targets.holds(*words(packet.dst))
        )

    def _account(self, src: str, scan: Scan) -> Account:
        outside = not self._home.holds(*words(src))
        return _account(src, scan, "HIGH" if outside else "MEDIUM")

    def _close(self, now: int) -> list[Event]:
        return [*self._episodes.close(now), *self._slow.close(now)]

    def flush(self) -> Iterable[Event]:
        """Tell what was held back."""
        return [*self._episodes.flush(), *self._slow.flush()]

    def counts(self) -> dict[str, int]:
        """Sources and episodes that were forgotten before their time."""
        episodes = self._episodes.evicted + self._slow.evicted
        return {"evicted_sources": self._sources.evicted, "evicted_episodes": episodes}

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "sources": self._sources.save(),
            "episodes": self._episodes.save(),
            "slow": self._slow.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._sources.restore(state["sources"])
        self._episodes.restore(state["episodes"])
        self._slow.restore(state["slow"])


def _times(batch: LineBatch) -> list[int]:
    try:
        times: list[int] = batch.column("time").tolist()
    except KeyError:  # no format, or one without times
        times = [0] * len(batch)
    return times


def _offset(batch: LineBatch, row: int) -> int:
    return batch.base + int(batch.starts[row])


def _account(src: str, scan: Scan, severity: str) -> Account:
    """What is said of a scan."""
    contacts, technique = scan.contacts, scan.technique
    hosts = list(dict.fromkeys(each.host for each in reversed(contacts)))
    ports = sorted({each.port for each in contacts if each.kind != "echo"})
    seconds = (contacts[-1].time_ns - contacts[0].time_ns) / NS
    whom = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
    what = f"{len(contacts)} different (host, port)"
    if technique == "sweep":
        what = f"{len(hosts)} different hosts" + (f" on port {ports[0]}" if ports else " by ICMP")
    elif scan.target:
        what = f"{len(ports)} different ports"
    metadata: dict[str, Any] = {
        "technique": technique,
        "distinct": len(contacts),
        "hosts": len(hosts),
        "targets": hosts[:NAMED],
        "ports": ports[: 2 * NAMED],
        "seconds": round(seconds, 3),
        "threshold": scan.threshold,
        "window_s": scan.window_ns // NS,
    }
    prefix = addresses.keys(src)[0]
    if prefix != src:
        metadata["prefix"] = prefix
    details: dict[str, Any] = {
        "ip": src,
        "target": hosts[0],
        "protocol": PROTOCOLS.get(contacts[-1].kind, "TCP"),
        "description": f"{src} scans {whom}: {technique}, {what} refused by the firewall",
        "metadata": metadata,
    }
    if ports:
        details["port"] = ports[0]
    places = [each.place for each in reversed(contacts)][:NAMED]
    return Account(
        type="Port Scan",
        severity=severity,
        rule=f"kernel_firewall/{technique}",
        details=details,
        explanation=f"{what} of {whom} refused to {prefix} in {seconds:.1f} s; threshold"
        f" {scan.threshold} in {scan.window_ns // NS} s",
        evidence=[{"source": s, "line": line, "offset": offset} for s, line, offset in places],
        techniques=["T1018" if technique == "sweep" else "T1046"],
        tags=["reconnaissance", technique],
    )

"""Real attack tools against a real host: each attack is found, named, and its maker blamed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end import lab
from tests.end_to_end.lab import ATTACKER, ATTACKER6, BYSTANDER, TARGET, TARGET6, Lab, needs

pytestmark = [pytest.mark.root, pytest.mark.slow]
SCANS = [
    ("syn", ["-sS"]),
    ("connect", ["-sT"]),
    ("fin", ["-sF"]),
    ("null", ["-sN"]),
    ("xmas", ["-sX"]),
    ("maimon", ["-sM"]),
    ("ack", ["-sA"]),
    ("udp", ["-sU", "--top-ports", "20", "--max-retries", "1"]),
    ("protocol", ["-sO", "--max-retries", "1", "-T4"]),
    ("syn", ["-sS", "-T5"]),
    ("syn", ["-sS", "-T4", "--top-ports", "100"]),
    ("syn", ["-sS", "-T3", "--top-ports", "50"]),
    ("syn", ["-sS", "-T2", "--top-ports", "30"]),
    ("syn", ["-f", "-sS", "--top-ports", "50"]),
    ("fingerprint", ["-O", "--max-os-tries", "1", "-p", "22,80,81"]),
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = lab.made(tmp_path_factory.mktemp("lab"))
    made.serve()
    yield made
    made.close()


@pytest.fixture(scope="module")
def slow_scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, object, Path]]:
    """A scan that takes three minutes, in a lab of its own, while the other tests go on."""
    made = lab.made(tmp_path_factory.mktemp("slow"), "s")
    with made.recorded("slow") as path:
        nmap = ["nmap", "-n", "-Pn", "-sS", "-T1", "-p", "1-12", TARGET]
        yield made, made.begin("attacker", *nmap), path
    made.close()


@needs("nmap")
@pytest.mark.parametrize(("technique", "options"), SCANS, ids=lambda v: "".join(v))
@pytest.mark.usefixtures("slow_scan")
def test_nmap(network: Lab, technique: str, options: list[str]) -> None:
    name = "nmap" + "".join(options).replace("/", "")
    with network.recorded(name) as path:
        network.run("attacker", "nmap", "-n", "-Pn", *options, TARGET)
    told = lab.techniques(lab.found(path))
    assert told.get(("Port Scan", technique)) == {ATTACKER}, told
    blamed = set().union(*told.values())
    assert blamed <= {ATTACKER}, told


@needs("nmap")
def test_nmap_over_ipv6(network: Lab) -> None:
    with network.recorded("nmap6") as path:
        network.run("attacker", "nmap", "-6", "-n", "-Pn", "-sS", "--top-ports", "50", TARGET6)
    told = lab.techniques(lab.found(path))
    assert told.get(("Port Scan", "syn")) == {ATTACKER6}, told


@needs("nmap")
def test_nmap_looks_for_hosts(network: Lab) -> None:
    with network.recorded("sweep") as path:
        network.run("attacker", "nmap", "-n", "-sn", "10.66.0.0/26")
    told = lab.techniques(lab.found(path))
    assert told.get(("Port Scan", "arp")) == {ATTACKER}, told


@needs("nmap")
def test_nmap_hides_among_decoys(network: Lab) -> None:
    decoys = [f"10.66.0.{n}" for n in range(101, 108)]
    with network.recorded("decoys") as path:
        options = ["-sS", "-D", ",".join(decoys), "--top-ports", "40"]
        network.run("attacker", "nmap", "-n", "-Pn", *options, TARGET)
    events = lab.found(path)
    told = lab.techniques(events)
    assert ("Port Scan", "decoy") in told, told
    event = next(e for e in events if e.details["metadata"].get("technique") == "decoy")
    assert event.details["target"] == TARGET
    assert ATTACKER in str(event.details["metadata"])
    assert decoys[0] in str(event.details["metadata"])


FLOODS = [
    ("syn-flood", ["-S", "-p", "80", "--rand-source"], {""}),
    ("syn-flood", ["-S", "-p", "80"], {ATTACKER}),
    ("udp-flood", ["--udp", "-p", "53", "-d", "64", "--rand-source"], {""}),
    ("udp-flood", ["--udp", "-p", "9999", "-d", "64"], {ATTACKER}),
    ("icmp-flood", ["--icmp", "-d", "64"], {ATTACKER}),
    ("land", ["-S", "-p", "80", "-s", "80", "-k", "-a", TARGET], {""}),
]


@needs("hping3")
@pytest.mark.parametrize(("technique", "options", "blamed"), FLOODS, ids=str)
def test_hping3(network: Lab, technique: str, options: list[str], blamed: set[str]) -> None:
    name = "hping" + "".join(options).replace("/", "")
    with network.recorded(name, snaplen=128) as path:
        # Ten packets a millisecond at the most, for four seconds.
        hping = ["timeout", "4", "hping3", "-q", "-i", "u200", *options, TARGET]
        network.run("attacker", *hping, check=False)
    told = lab.techniques(lab.found(path))
    assert told.get(("DoS Attack", technique)) == blamed, told


@needs("arpspoof")
def test_arpspoof(network: Lab) -> None:
    with network.recorded("arpspoof") as path:
        network.run("target", "ping", "-c", "2", "-i", "0.2", BYSTANDER, check=False)
        network.run("target", "curl", "-s", "-m", "2", f"http://{BYSTANDER}/", check=False)
        spoof = ["timeout", "-s", "KILL", "7", "arpspoof", "-i", "eth0", "-t", TARGET, BYSTANDER]
        network.run("attacker", *spoof, check=False)
    events = [e for e in lab.found(path) if e.type == "ARP Spoofing"]
    assert events
    mac = network.run("attacker", "cat", "/sys/class/net/eth0/address").strip()
    assert any(mac in str(event.details) for event in events)
    assert any(BYSTANDER in str(event.details) for event in events)


@needs("macof")
def test_macof(network: Lab) -> None:
    with network.recorded("macof") as path:
        # The target learns what is usual before it.
        network.run("attacker", "macof", "-i", "eth0", "-n", "3000", check=False)
    told = lab.techniques(lab.found(path))
    assert any(technique == "mac-flood" for _, technique in told), told


@needs("tcpreplay")
@pytest.mark.skipif(not os.environ.get("MLIDS_CORPORA"), reason="MLIDS_CORPORA is not set")
@pytest.mark.parametrize(
    ("capture", "kind", "technique"),
    [
        ("suricata-verify/syn_flood.pcap", "DoS Attack", "syn-flood"),
        ("zeek/dhcp/dhcp_flood.pcap", "DoS Attack", "dhcp-flood"),
        ("zeek/ftp/bruteforce.pcap", "Brute Force", ""),
    ],
)
def test_tcpreplay_of_recorded_attacks(
    network: Lab, capture: str, kind: str, technique: str
) -> None:
    source = Path(os.environ["MLIDS_CORPORA"]) / "pcaps" / capture
    with network.recorded(Path(capture).stem) as path:
        network.run("attacker", "tcpreplay", "-q", "-i", "eth0", "-t", str(source))
    told = lab.techniques(lab.found(path))
    assert any(k == kind and (not technique or t == technique) for k, t in told), told


@needs("nmap")
@pytest.mark.timeout(320)
def test_nmap_as_slow_as_it_gets(network: Lab, slow_scan: tuple[Lab, object, Path]) -> None:
    _, process, path = slow_scan
    assert isinstance(process, subprocess.Popen)
    assert process.wait(260) == 0
    told = lab.techniques(lab.found(path))
    assert {technique for kind, technique in told if kind == "Port Scan"} & {"slow", "syn"}, told
    assert set().union(*told.values()) == {ATTACKER}

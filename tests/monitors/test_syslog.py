from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time

import pytest

from mlids.detectors.login import Login
from mlids.errors import MLIDSError
from mlids.monitors import syslog
from mlids.monitors.syslog import SyslogListener

LINE = b"<38>Jan 13 10:30:45 gate sshd[%d]: Failed password for root from 203.0.113.7 port 40 ssh2"


def free(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Listening:
    """A listener in a thread, and what it gave."""

    def __init__(self, *kinds, **options) -> None:
        self.ports = [
            free(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) for kind in kinds
        ]
        listen = [
            f"{kind}://127.0.0.1:{port}" for kind, port in zip(kinds, self.ports, strict=True)
        ]
        self.monitor = SyslogListener(listen=listen, **options)
        self.stop, self.batches = threading.Event(), []
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for batch in self.monitor.batches(self.stop):
            self.batches.append(batch)

    def __enter__(self) -> Listening:
        self.monitor.open()
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.monitor.close()

    @property
    def lines(self) -> list[bytes]:
        return [batch.line(row) for batch in list(self.batches) for row in range(len(batch))]

    def send(self, *data: bytes, number: int = 0, host: str = "127.0.0.1") -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((host, 0))
            for one in data:
                sender.sendto(one, ("127.0.0.1", self.ports[number]))

    def wait(self, until, seconds: float = 8.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, (self.lines[-3:], self.monitor.inputs())
            time.sleep(0.01)

    def counts(self, number: int = 0) -> dict[str, int]:
        found = self.monitor.inputs()[number].counts
        assert found["read"] == found["matched"] + found["unmatched"] + found["rejected"]
        return found


def test_lines_of_udp_become_logins_that_name_their_place():
    with Listening("udp") as here:
        here.send(*(LINE % n for n in range(50)))
        here.wait(lambda: len(here.lines) == 50)
    assert here.lines == [LINE % n for n in range(50)]
    assert here.counts()["matched"] == 50
    events = [event for batch in here.batches for event in Login().inspect(batch)]
    assert len(events) == 50
    assert events[0]["details"]["ip"] == "203.0.113.7"
    source = f"syslog udp://127.0.0.1:{here.ports[0]} from 127.0.0.1"
    assert events[0]["evidence"][0] == {"source": source, "line": 1, "offset": 0}
    assert events[49]["evidence"][0]["line"] == 50


def test_each_sender_is_apart_and_counted_together():
    with Listening("udp") as here:
        for number in range(20):
            here.send(LINE % number, host=f"127.0.0.{1 + number % 2}")
        here.wait(lambda: len(here.lines) == 20)
    sources = {batch.source.rpartition(" ")[2] for batch in here.batches if len(batch)}
    assert sources == {"127.0.0.1", "127.0.0.2"}
    numbers = [int(n) for b in here.batches if b.source.endswith(".2") for n in b.numbers]
    assert numbers == list(range(1, 11))
    assert len(here.monitor.inputs()) == 1
    assert here.counts()["read"] == 20


def test_a_flood_of_senders_is_bounded(monkeypatch):
    monkeypatch.setattr(syslog, "APART", 5)
    monkeypatch.setattr(syslog, "PEERS", 8)
    monkeypatch.setattr(syslog, "GATHER_S", 0.5)
    with Listening("udp") as here:
        for number in range(1, 41):
            here.send(LINE % number, host=f"127.0.1.{number}")
        here.wait(lambda: len(here.lines) == 40)
        assert len(here.monitor._peers) <= 8
    assert any(batch.source.endswith(syslog.OTHERS) for batch in here.batches)


def test_tcp_with_both_framings_and_too_long_lines():
    with Listening("tcp", max_line=500) as here:
        with socket.create_connection(("127.0.0.1", here.ports[0])) as client:
            one = LINE % 1
            client.sendall(
                one + b"\n%d %s" % (len(one), one) + b"x" * 501 + b"\n" + b"900 <1>" + b"y" * 897
            )
            client.sendall(b"plain\n")
            here.wait(lambda: len(here.lines) == 3)
        here.wait(lambda: here.counts()["rejected"] == 2)
    assert here.lines == [one, one, b"plain"]
    assert here.counts() | {"read": 5, "matched": 2, "unmatched": 1} == here.counts()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")

    def run(*command):
        try:
            subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")

    for name in ("server", "client", "stranger"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
    return folder


def dial(port, folder, certificate=""):
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    link = socket.create_connection(("127.0.0.1", port), timeout=5)
    return context.wrap_socket(link, server_hostname="127.0.0.1")


def test_tls(certificates):
    options = {
        "certificate": str(certificates / "server.pem"),
        "key": str(certificates / "server.key"),
    }
    with (
        Listening("tls", **options) as here,
        socket.create_connection(("127.0.0.1", here.ports[0])) as plain,
    ):
        plain.sendall(b"<1>no TLS at all\n" * 3)  # is let go; others are served meanwhile
        with dial(here.ports[0], certificates) as client:
            lines = [LINE % n for n in range(3000)]
            client.sendall(b"".join(b"%d %s" % (len(line), line) for line in lines))
            here.wait(lambda: len(here.lines) == 3000)
    assert here.lines == lines


def test_tls_with_certificates_of_clients(certificates):
    options = {
        "certificate": str(certificates / "server.pem"),
        "key": str(certificates / "server.key"),
    }
    with Listening("tls", **options, client_ca=str(certificates / "client.pem")) as here:
        for name in ("", "stranger"):
            with (
                pytest.raises(OSError, match=r".*"),
                dial(here.ports[0], certificates, name) as client,
            ):
                client.sendall(b"<1>forbidden\n")
                client.recv(1)
                raise ConnectionError("it was closed")
        with dial(here.ports[0], certificates, "client") as client:
            client.sendall(b"<1>allowed\n")
            here.wait(lambda: here.lines == [b"<1>allowed"])


def test_wrong_settings_are_refused(tmp_path):
    for options in (
        {"listen": ["udp:127.0.0.1"]},
        {"listen": ["tls://127.0.0.1:1"]},
        {"listen": ["udp://127.0.0.1:1"], "allow": ["nonsense"]},
    ):
        with pytest.raises(ValueError, match=r"."):
            SyslogListener(**options)
    with pytest.raises(MLIDSError, match="E002"):
        SyslogListener(listen=["udp://127.0.0.1:1"], format="nonsense")
    monitor = SyslogListener(listen=["tls://127.0.0.1:0"], certificate=str(tmp_path / "none.pem"))
    with pytest.raises(MLIDSError, match="E002"):
        monitor.open()


def test_only_those_who_may_send_are_heard():
    with Listening("udp", allow=["127.0.0.2/32"]) as here:
        here.send(b"<1>forbidden")
        here.send(b"<1>allowed", host="127.0.0.2")
        here.wait(lambda: here.lines == [b"<1>allowed"] and here.counts()["refused"] == 1)


def test_heartbeats_come_each_second():
    with Listening("udp") as here:
        here.wait(lambda: sum(not len(batch) for batch in here.batches) >= 2, 5)
    beats = [batch.now for batch in here.batches if not len(batch)]
    assert 0.5e9 < beats[1] - beats[0] < 2e9
    assert abs(beats[0] - time.time_ns()) < 10e9


def test_what_has_come_before_a_stop_is_given():
    here = Listening("udp", "tcp")
    here.monitor.open()
    here.send(*(b"<1>%d" % n for n in range(500)))
    with socket.create_connection(("127.0.0.1", here.ports[1])) as client:
        client.sendall(b"<1>over tcp\n" * 500)
        time.sleep(0.1)
        here.stop.set()
        lines = [b.line(r) for b in here.monitor.batches(here.stop) for r in range(len(b))]
    here.monitor.close()
    assert len(lines) == 1000


def test_a_taken_port_is_told_with_its_address():
    with Listening("udp") as here:
        other = SyslogListener(listen=[f"udp://127.0.0.1:{here.ports[0]}"])
        with pytest.raises(MLIDSError, match=f"udp://127.0.0.1:{here.ports[0]}") as caught:
            other.open()
        assert caught.value.code == "E008"
        other.close()


def test_ipv6_senders_are_named():
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    monitor = SyslogListener(listen=["udp://[::1]:0"])
    try:
        monitor.open()
    except MLIDSError:
        pytest.skip("this machine has no IPv6 loopback")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<1>six", monitor._places[0].socket.getsockname())
    stop = threading.Event()
    for batch in monitor.batches(stop):
        if len(batch):
            assert batch.source.endswith(" from ::1")
            stop.set()
    monitor.close()


def test_udp_keeps_up_with_twenty_thousand_lines_a_second():
    with Listening("udp") as here:
        began = time.monotonic()
        here.send(*(LINE % n for n in range(20_000)))
        here.wait(lambda: here.counts()["read"] + here.counts()["dropped"] == 20_000)
        assert time.monotonic() - began < 5
        assert here.counts()["dropped"] == 0

"""What people do on a network all day, between real hosts: nothing of it is an attack."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end import lab
from tests.end_to_end.lab import TARGET, TARGET6, Lab, needs

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = lab.made(tmp_path_factory.mktemp("lab"), "o")
    yield made
    made.close()


def silent(path: Path) -> None:
    events = lab.found(path)
    assert [dict(event) for event in events] == []


def web(network: Lab, folder: Path) -> None:
    for n in range(30):
        (folder / f"page{n}.html").write_text(f"<p>page {n}</p>" * (1 + n * 50))
    serve = "import http.server, socket, functools\n"
    serve += "class S(http.server.ThreadingHTTPServer):\n address_family = socket.AF_INET6\n"
    serve += (
        f"h = functools.partial(http.server.SimpleHTTPRequestHandler, directory={str(folder)!r})\n"
    )
    serve += "s = S(('::', 80), h)\nprint('ready', flush=True)\ns.serve_forever()\n"
    network.begin("target", sys.executable, "-c", serve, ready="ready")


@needs("curl")
def test_curl(network: Lab, tmp_path: Path) -> None:
    web(network, tmp_path)
    pages = [f"http://{TARGET}/page{n}.html" for n in range(30)]
    with network.recorded("curl") as path:
        network.run("attacker", "curl", "-s", "-o", "/dev/null", "--remote-name-all", *pages[:1])
        for page in pages:
            network.run("attacker", "curl", "-s", "-o", "/dev/null", page)
        network.run(
            "attacker", "curl", "-s", "-Z", *[w for p in pages for w in ("-o", "/dev/null", p)]
        )
        network.run("attacker", "curl", "-s", "-o", "/dev/null", f"http://[{TARGET6}]/page1.html")
        network.run("attacker", "curl", "-s", "-o", "/dev/null", f"http://{TARGET}/missing")
    silent(path)


@needs("apt-get")
def test_apt(network: Lab, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "Packages").write_text("")
    (repository / "Packages.gz").write_bytes(gzip.compress(b""))
    apt = tmp_path / "apt"
    for part in ("lists/partial", "archives/partial", "etc"):
        (apt / part).mkdir(parents=True)
    serve = ["-m", "http.server", "8000", "-d", str(repository)]
    network.begin("target", sys.executable, "-u", *serve, ready="Serving")
    (apt / "etc/sources.list").write_text(f"deb [trusted=yes] http://{TARGET}:8000/ ./\n")
    options = {
        "Dir::Etc::sourcelist": apt / "etc/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache::archives": apt / "archives",
        "Acquire::http::Proxy": "false",
        "APT::Sandbox::User": "root",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    with network.recorded("apt") as path:
        said = network.run("attacker", "apt-get", "-q", *words, "update")
        assert TARGET in said
    silent(path)


@needs("dig", "dnsmasq")
def test_dig(network: Lab) -> None:
    serve = ["dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-8", "-", "--bind-interfaces"]
    serve += ["--listen-address", TARGET, "--address=/example.org/192.0.2.80", "--local=/nowhere/"]
    network.begin("target", *serve, "--pid-file=", ready="started")
    names = [f"host{n}.example.org" for n in range(60)] + ["mail.example.org"] * 100
    names += [f"name{n}.nowhere" for n in range(30)]
    query = [word for name in names for word in (name, "+retry=0")]
    with network.recorded("dig") as path:
        network.run("attacker", "dig", f"@{TARGET}", *query, check=False)
        network.run("attacker", "dig", f"@{TARGET}", "TXT", "example.org", check=False)
        network.run("attacker", "dig", f"@{TARGET}", "-x", "192.0.2.80", check=False)
    silent(path)


@needs("iperf3")
@pytest.mark.parametrize("options", [[], ["-R"], ["-P", "8"], ["-u", "-b", "30M"], ["-u", "-b", "30M", "-R"]], ids=str)  # fmt: skip
def test_iperf3(network: Lab, options: list[str]) -> None:
    server = network.begin("target", "iperf3", "-s", "-1", "--forceflush", ready="listening")
    name = "iperf" + "".join(options)
    with network.recorded(name, snaplen=128) as path:
        network.run("attacker", "iperf3", "-c", TARGET, "-t", "2", *options)
    server.wait(10)
    silent(path)


@needs("rsync")
def test_rsync(network: Lab, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for n in range(300):
        (source / f"file{n}").write_text(f"{n}\n" * (n % 50 * 100))
    (tmp_path / "rsyncd.conf").write_text(
        f"use chroot = no\nlog file = /dev/null\npid file = {tmp_path}/pid\n"
        f"[share]\npath = {source}\nuid = root\ngid = root\n"
    )
    daemon = ["rsync", "--daemon", "--no-detach", "--config", str(tmp_path / "rsyncd.conf")]
    network.begin("target", *daemon)
    with network.recorded("rsync") as path:
        for n in range(3):
            copy = [
                "rsync",
                "-a",
                "--timeout",
                "10",
                f"rsync://{TARGET}/share/",
                str(tmp_path / f"copy{n}"),
            ]
            for _ in range(20):
                if (
                    network.run("attacker", *copy, check=False)
                    or (tmp_path / f"copy{n}/file299").exists()
                ):
                    break
        assert (tmp_path / "copy2/file299").exists()
    silent(path)


@needs("ping")
def test_ping(network: Lab) -> None:
    with network.recorded("ping") as path:
        network.run("attacker", "ping", "-q", "-c", "50", "-i", "0.02", TARGET)
        network.run("attacker", "ping", "-6", "-q", "-c", "20", "-i", "0.02", TARGET6)
    silent(path)

import numpy as np
import pytest

from mlids.cloudwatch.forms import Text
from mlids.cloudwatch.manifest import SUFFIX
from mlids.config import ConfigManager
from mlids.events import parse_time
from mlids.lines.downloaded import MANIFEST, as_written, is_download
from mlids.scanning import Scan
from mlids.testing import lines
from tests.cloudwatch.pages import event

NS = 1_000_000_000


def test_what_is_downloaded_is_known_by_its_manifest(tmp_path):
    (tmp_path / "a.log").write_text("x")
    assert not is_download(str(tmp_path / "a.log"))
    (tmp_path / f"a.log{SUFFIX}").write_text("{}")
    assert is_download(str(tmp_path / "a.log"))
    assert not is_download("-")
    assert MANIFEST == SUFFIX


def test_times_in_front_become_stamps():
    batch = as_written(
        lines(
            "[2025-01-13 10:30:45] one",
            "\tmore",
            "[2024-02-29 23:59:59] [2025-01-13 10:30:45] two",
            "[2025-01-13 10:30:45]three",
            "[2025-01-13T10:30:45] four",
            "",
            "[2025-01-13 10:30:45] ",
        )
    )
    assert [batch.line(row) for row in range(len(batch))] == [
        *(b"one", b"\tmore", b"[2025-01-13 10:30:45] two", b"[2025-01-13 10:30:45]three"),
        *(b"[2025-01-13T10:30:45] four", b"", b""),
    ]
    first, leap = parse_time("2025-01-13T10:30:45"), parse_time("2024-02-29T23:59:59")
    assert batch.stamps.tolist() == [first, first, leap, leap, leap, leap, first]
    assert as_written(lines()).stamps is None


def test_before_the_first_time_there_is_none():
    assert as_written(lines("\tx", "y")).stamps.tolist() == [0, 0]


@pytest.mark.parametrize("time_ms", [0, 1_735_725_600_000, 951_868_799_000, 4_102_444_799_000])
def test_what_is_written_is_read(time_ms):
    written = Text().lines([event(time_ms, "a line"), event(time_ms, "a\nb")], True)
    batch = as_written(lines(*written.decode().splitlines()))
    assert [batch.line(row) for row in range(3)] == [b"a line", b"a", b"\tb"]
    assert np.unique(batch.stamps).tolist() == [time_ms * 10**6]


@pytest.fixture
def settings(tmp_path):
    return ConfigManager(tmp_path / "none.yaml", environment={}).settings


ACCESS = '203.0.113.4 - - [13/Jan/2025:10:30:45 +0000] "GET /?id=1%27+UNION+SELECT+a,b+FROM+users--+ HTTP/1.1" 200 5 "-" "curl"'
FAILED = "Jan 13 10:30:45 gate sshd[7]: Failed password for root from 203.0.113.4 port 22 ssh2"


@pytest.mark.parametrize("line", [ACCESS, FAILED])
@pytest.mark.parametrize("known", [True, False])
def test_nobody_else_is_blamed_for_what_is_in_a_download(tmp_path, settings, line, known):
    path = tmp_path / "web.log"
    path.write_bytes(Text().lines([event(1_736_764_245_000, line)] * 9, True))
    if known:
        (tmp_path / f"web.log{SUFFIX}").write_text("{}")
    found = list(Scan(settings, [str(path)], print))
    assert {one["details"].get("ip") for one in found} <= {"203.0.113.4"}
    if known or line is ACCESS:
        assert found
        (place, *_) = found[0]["evidence"]
        at = path.read_bytes()[place["offset"] :][: len(line) + 30]
        assert line.encode() in at

import json
import logging
import shutil

import pytest

from mlids import diagnostics
from mlids.errors import MLIDSError


@pytest.fixture(autouse=True)
def stopped():
    yield
    diagnostics.stop()


def test_json_lines_with_traceback(tmp_path):
    diagnostics.start(tmp_path, "INFO", "json", 10_000, 1)
    log = logging.getLogger("mlids.test")
    log.debug("not this")
    try:
        raise RuntimeError("why")
    except RuntimeError:
        log.exception("it %s", "failed")
    (line,) = (tmp_path / "mlids.log").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"]) == ("ERROR", "it failed")
    assert "why" in entry["traceback"]


def test_text_rotates_and_keeps_so_many(tmp_path):
    diagnostics.start(tmp_path, "DEBUG", "text", 500, 2)
    for n in range(100):
        logging.getLogger("mlids.test").debug("line %d", n)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlids.log", "mlids.log.1", "mlids.log.2"]


def test_nothing_is_written_after_the_stop(tmp_path):
    diagnostics.start(tmp_path, "INFO", "json", 500, 2)
    diagnostics.stop()
    logging.getLogger("mlids.test").error("x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(MLIDSError):
        diagnostics.start(tmp_path / "f" / "x", "INFO", "json", 500, 2)


def test_a_log_that_is_removed_is_begun_anew(tmp_path):
    diagnostics.start(tmp_path / "logs", "INFO", "text", 10_000, 1)
    logging.getLogger("mlids.test").info("one")
    shutil.rmtree(tmp_path / "logs")
    logging.getLogger("mlids.test").info("two")
    assert "two" in (tmp_path / "logs" / "mlids.log").read_text()


def test_a_full_disk_does_not_hinder_the_end(tmp_path):
    diagnostics.start(tmp_path, "INFO", "text", 10_000, 1)
    logging.getLogger("mlids.test").info("opens the file")
    handler = next(h for h in logging.getLogger("mlids").handlers if hasattr(h, "maxBytes"))
    handler.stream.close()
    handler.stream = open("/dev/full", "w")  # noqa: SIM115 - the handler closes it
    handler.stream.write("waits in memory")
    diagnostics.stop()
    assert handler not in logging.getLogger("mlids").handlers

import io
import sys

from mlids.cli import streams


def test_closed_streams_go_nowhere(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    streams.mend()
    print("into the void")
    assert sys.stdin.read() == ""
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def test_what_an_encoding_lacks_is_an_escape(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    streams.mend()
    print("● ok")
    sys.stdout.flush()
    assert raw.getvalue() == b"\\u25cf ok\n"

import shutil
import subprocess

import pytest

from mlids.documents import Document, Section, Table
from mlids.errors import MLIDSError
from mlids.renderings import pdf

MADE = Document("Summary", "host", "now", [Section("All", ["p"], [Table("", ["a"], [["needle"]])])])


def can_write():
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError):
        return any(map(shutil.which, pdf.BROWSERS))
    return True


@pytest.mark.skipif(not can_write(), reason="needs weasyprint or chromium")
def test_a_pdf_with_the_text_in_it(tmp_path):
    data = pdf.render(MADE)
    assert data.startswith(b"%PDF-")
    if shutil.which("pdftotext"):
        (tmp_path / "a.pdf").write_bytes(data)
        text = subprocess.run(
            ["pdftotext", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True
        )
        assert "needle" in text.stdout


def test_where_nothing_can_write_it_that_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MLIDSError, match="nothing on this machine") as error:
        pdf.render(MADE)
    assert error.value.code == "E005"
    assert "--format html" in error.value.hint


def test_a_browser_that_fails_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(MLIDSError, match="no display"):
        pdf.render(MADE)

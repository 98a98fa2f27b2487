"""A document as PDF, where the system has what it takes: WeasyPrint, or a Chromium browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from mlids.documents import Document
from mlids.errors import MLIDSError
from mlids.renderings import html

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_S = 60
HINT = "install weasyprint (pip install weasyprint) or chromium; --format html prints as well"


def render(document: Document) -> bytes:
    """The whole document. Raises `MLIDSError` E005 where nothing here can write PDF."""
    page = html.render(document)
    try:
        import weasyprint
    except (ImportError, OSError):  # OSError: its system libraries are missing
        return _printed(page)
    return bytes(weasyprint.HTML(string=page).write_pdf())


def _printed(page: str) -> bytes:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise MLIDSError("E005", "nothing on this machine can write PDF", HINT)
    with tempfile.TemporaryDirectory(prefix="mlids-pdf-") as folder:
        source, target = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        # Chromium refuses to run as root with its sandbox. The page is our own, and its policy
        # lets nothing run or load.
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        options += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}"]
        try:
            done = subprocess.run(
                [browser, *options, source.as_uri()],
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MLIDSError("E005", f"{browser} did not answer in {TIMEOUT_S} s", HINT) from error
        if not target.exists():
            words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise MLIDSError("E005", f"{browser} wrote no PDF: {' '.join(words)}", HINT)
        return target.read_bytes()

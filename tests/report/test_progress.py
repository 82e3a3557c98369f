"""The progress bar is only shown on terminals."""

import io
import subprocess
import sys

from evenly.progress import Progress
from evenly.report.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_output_without_terminal():
    stream = io.StringIO()
    with ProgressBar(stream) as progress:
        progress(Progress(5, 10, 40, 80, "x.csv"))
    assert stream.getvalue() == ""


def test_quiet():
    stream = Terminal()
    with ProgressBar(stream, quiet=True) as progress:
        progress(Progress(5, 10, 40, 80, "x.csv"))
    assert stream.getvalue() == ""


def test_terminal_shows_rows_bytes_and_remaining_time(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    seconds = iter(range(10**6))
    with ProgressBar(stream, clock=lambda: next(seconds)) as progress:
        for part in range(1, 4):
            progress(Progress(part * 1_000, None, part * 2_000_000, 8_000_000, "x.csv"))
    assert "3,000 rows, 6.0 MB" in stream.getvalue()
    assert "0:00:" in stream.getvalue()


def test_unknown_size_shows_rows_and_bytes():
    stream = Terminal()
    with ProgressBar(stream) as progress:
        progress(Progress(7, None, 56, None, "batch 0"))
    assert "7 rows, 56 bytes" in stream.getvalue()


def test_rich_is_not_imported_without_terminal():
    code = (
        "import io, sys\n"
        "from evenly.report.progress_bar import ProgressBar\n"
        "with ProgressBar(io.StringIO()): pass\n"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

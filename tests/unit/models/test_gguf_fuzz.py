"""Thousands of mutated GGUF headers through all that reads headers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "fuzz_gguf_headers.py"


def test_mutated_headers_crash_nothing_and_take_no_time_or_memory() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "2000", "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2000 headers" in done.stdout
    assert " 0 crashed or hung" in done.stdout

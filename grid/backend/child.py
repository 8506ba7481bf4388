"""Questions to a library that may end its process.

A library built for another processor dies at its first instruction, and one that misses a system
library at its first import: so the question is put to a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any


def ask_child(
    module: str, *arguments: str, timeout_s: float, subject: str = "it"
) -> dict[str, Any]:
    """The JSON object that `python -m module arguments` prints last, or `error` with the reason.
    `subject` is what is said to have ended its process where no reason was printed."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    with contextlib.suppress(ValueError, IndexError):
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer
    last = done.stderr.decode(errors="replace").strip().splitlines()
    return {"error": last[-1] if last else f"{subject} ended its process ({done.returncode})"}

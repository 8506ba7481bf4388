"""The installation and the system that a row comes from."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from grid.sweep.node_report import Report


def environment_of(report: Report) -> dict[str, str]:
    """The installation and the system that a row comes from."""
    overridden = ", ".join(report.node.overridden)
    return {
        "quantgrid": report.quantgrid or version("quantgrid"),
        "python": report.python or platform.python_version(),
        "system": report.system or platform.platform(),
        "git_revision": _git_revision(),
        "bandwidth_bytes_s": f"{report.node.bandwidth_bytes_s:.4g}",
        "llc_bytes": str(report.node.llc_bytes),
        **({"node_toml": overridden} if overridden else {}),
    }


@cache
def _git_revision() -> str:
    """Revision of the checkout that the driver runs from; empty for an installed one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()

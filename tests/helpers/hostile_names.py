"""A store of a stranger whose every name tries to act."""

from __future__ import annotations

from pathlib import Path

from advice_cases import write_store
from analysis_cases import Rows

NAME = (
    "a\x1b]0;owned\x07\x1b[2J\x9b31m[bold red]x[/bold red]<script>alert(1)</script>"
    "\u202e\u2066\nb\rc\u200b\ufeff:smile:|`*"
)


def hostile_store(folder: Path, name: str) -> Path:
    """One variant whose model, quant, machine, reason and source are called so."""
    rows = Rows()
    names = {"model": name, "hardware_class": f"box{name}", "label": name, "node": name}
    rows.decode([1.0, 1.1, 1.2], **names)
    rows.tasks(name, [1.0, 0.0, 1.0], **names)
    rows.attempt("decode", {"type": "decode"}, status="error", reason=name, **names)
    rows.attempt("decode", {"type": "decode"}, origin=name, licence=name, **names)
    rows.rows["attempts"][-1]["quant"] = name
    write_store(rows, folder)
    (folder / "attempts-\x1b]0;file\x07.arrow").write_bytes(b"no arrow")
    return folder

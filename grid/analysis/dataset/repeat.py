"""The command that repeats the measurement of a row."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

_BUNDLED = "quick"
_MODELS = ("ref:", "hf:")


def repeat_command(row: Mapping[str, Any]) -> str:
    """The `grid sweep` that measures an attempt's sweep again; of an imported row, where it is
    from. The name of a sweep file is that which the sweep has in it."""
    origin = row.get("origin") or ""
    if origin:
        return f"imported from {origin}; measure it here with grid sweep"
    name = str(row.get("sweep") or "")
    if not name or name == _BUNDLED:
        return "grid sweep --fresh"
    is_file = name.startswith(_MODELS) or name.endswith((".gguf", ".toml")) or "/" in name
    return f"grid sweep {shlex.quote(name if is_file else f'{name}.toml')} --fresh"

"""The command that repeats the measurement of a row."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

DEFAULT_STORE = "results"
_BUNDLED = "quick"
_MODELS = ("ref:", "hf:", "package:")


def repeat_command(row: Mapping[str, Any], store: str = DEFAULT_STORE) -> str:
    """The `grid sweep` that measures an attempt's sweep again into the same store; of an imported
    row, where it is from. The name of a sweep file is that which the sweep has in it."""
    origin = row.get("origin") or ""
    if origin:
        return f"imported from {origin}; measure it here with grid sweep"
    return sweep_command(str(row.get("sweep") or ""), store)


def sweep_command(name: str, store: str = DEFAULT_STORE) -> str:
    """The same of a sweep's name, which is that of its file or of its model."""
    words = ["grid", "sweep"]
    if name and name != _BUNDLED:
        is_file = name.startswith(_MODELS) or name.endswith((".gguf", ".toml")) or "/" in name
        words.append(shlex.quote(name if is_file else f"{name}.toml"))
    words += [] if store == DEFAULT_STORE else ["--store", shlex.quote(store)]
    return " ".join([*words, "--fresh"])

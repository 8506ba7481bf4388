"""Checkpoint folders that differ from a given one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def changed(folder: Path, target: Path, **fields: Any) -> Path:
    """A copy of `folder` at `target`, whose config.json has these fields."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | fields
    (target / "config.json").write_text(json.dumps(config))
    return target

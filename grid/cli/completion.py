"""What the shell completes: names of the store and of sweeps. Errors complete nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STORE_VARIABLE = "QUANTGRID_STORE"
DEFAULT_STORE = "results"


def complete_model(ctx: Any, incomplete: str) -> list[str]:
    """Models of the command's store, also after a comma."""
    return _in_list(ctx, "model", incomplete)


def complete_quant(ctx: Any, incomplete: str) -> list[str]:
    """Quants of the command's store, also after a comma."""
    return _in_list(ctx, "quant", incomplete)


def complete_hardware(ctx: Any, incomplete: str) -> list[str]:
    """Hardware classes of the command's store."""
    return _starting(_of_store(ctx, "hardware_class"), incomplete)


def complete_sweep(incomplete: str) -> list[str]:
    """Sweep files and folders of the path so far, and the models that are bundled."""
    from grid.models.bundled import SIZES
    from grid.plan.load import bundled_sweeps

    typed = Path(incomplete)
    folder = typed if incomplete.endswith(os.sep) else typed.parent
    try:
        paths = [path for path in folder.iterdir() if path.is_dir() or path.suffix == ".toml"]
    except OSError:
        paths = []
    files = [f"{path}{os.sep}" if path.is_dir() else str(path) for path in sorted(paths)]
    sweeps = [name.removesuffix(".toml") for name in bundled_sweeps()]
    return _starting([*files, *(f"ref:{size}" for size in SIZES), *sweeps], incomplete)


def complete_backend(incomplete: str) -> list[str]:
    """Installed backends."""
    from grid.backend.registry import names

    return _starting(names(), incomplete)


def _in_list(ctx: Any, column: str, incomplete: str) -> list[str]:
    done, comma, start = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in _starting(_of_store(ctx, column), start)]


def _of_store(ctx: Any, column: str) -> list[str]:
    import pyarrow.compute as pc

    from grid.errors import GridError
    from grid.results.reader import Results

    store = ctx.params.get("store") or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    try:
        names = pc.unique(Results(store).read("attempts", [column])[column]).to_pylist()
    except (GridError, OSError):
        return []
    return [name for name in names if name]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))

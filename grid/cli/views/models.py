"""`grid models`: the names, and what each stands for."""

from __future__ import annotations

from grid.cli.views.console import console, print_json, table
from grid.models import ollama
from grid.models.bundled import SIZES
from grid.models.parameters_text import count_text
from grid.models.synthetic import SyntheticFile, SyntheticModel, synthetic_models
from grid.units import format_bytes

_SIZED_AT = "Q4_K_M"


def show_models(as_json: bool = False) -> None:
    """All of them, the made-up ones with the size of their file at `_SIZED_AT`."""
    bundled = [f"ref:{size}" for size in SIZES]
    stored = ollama.stored_names()
    if as_json:
        made_up = [
            {"source": model.source, "like": model.like, "parameters": model.parameters}
            | {"bytes_at_q4_k_m": _file_bytes(model)}
            for model in synthetic_models()
        ]
        print_json({"bundled": bundled, "synthetic": made_up, "ollama": list(stored)})
        return
    out = console()
    out.print("bundled, trained for sweeps in minutes", style="bold")
    out.print(", ".join(bundled), markup=False)
    out.print("\nmade-up: random weights, for speed and memory alone", style="bold")
    rows = [
        (model.source, model.like, count_text(model.parameters), format_bytes(_file_bytes(model)))
        for model in synthetic_models()
    ]
    heads = ["model", "shape of", "weights", f"at {_SIZED_AT}"]
    out.print(table(heads, rows, right=(2, 3), names=(0,)))
    out.print("\nin Ollama's store on this machine", style="bold")
    out.print("\n".join(stored) or "none", markup=False)


def _file_bytes(model: SyntheticModel) -> int:
    return SyntheticFile(model.name, model.config, _SIZED_AT).file_bytes

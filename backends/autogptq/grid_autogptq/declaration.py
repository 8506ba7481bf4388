"""The declaration of AutoGPTQ as a backend: importable where it is not installed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from grid_gptqmodel.retired import Retired

from grid.backend import Engine
from grid.cells.cell import Options


class AutoGptq(Retired):
    """Runs GPTQ checkpoints with the package that named the format; to make them use `gptq`."""

    name = "autogptq"
    format = "gptq"
    module = "auto_gptq"
    distribution = "auto-gptq"
    runtime: Path | None = Path(__file__).with_name("runtime.txt")
    advice = (
        "retired; runs checkpoints on a CPU by its plain kernels, makes them only with CUDA "
        "(backend gptq makes the same files anywhere)"
    )

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_autogptq.engine import load

        return load(path, device, options)

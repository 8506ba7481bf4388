"""The declaration of AutoAWQ as a backend: importable where it is not installed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from grid_gptqmodel.retired import Retired

from grid.backend import Engine
from grid.cells.cell import Options


class AutoAwq(Retired):
    """Runs AWQ checkpoints with the package that named the format; to make them use `awq`."""

    name = "autoawq"
    format = "awq"
    module = "awq"
    distribution = "autoawq"
    runtime: Path | None = Path(__file__).with_name("runtime.txt")
    advice = (
        "retired; on a CPU its own kernels want intel_extension_for_pytorch, without it its plain "
        "layers compute (slow); other kernels and making checkpoints need CUDA"
    )

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_autoawq.engine import load

        return load(path, device, options)

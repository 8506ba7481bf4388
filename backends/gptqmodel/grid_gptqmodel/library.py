"""GPTQModel imported as it is wanted here: silent, offline, and without compiling anything."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from typing import Any

from grid_transformers.library import import_stack as import_transformers
from grid_transformers.library import prepare_process


class _Nowhere(io.TextIOBase):
    """Takes text and keeps none; stays open for the library's writing threads."""

    def write(self, text: str) -> int:
        return len(text)


_NOWHERE = _Nowhere()


@contextlib.contextmanager
def silence_output() -> Iterator[None]:
    """The library draws tables and bars on standard output; a reader of ours wants none."""
    with contextlib.redirect_stdout(_NOWHERE), contextlib.redirect_stderr(_NOWHERE):
        yield


def library() -> Any:
    """The module `gptqmodel`. Raises what its import raises."""
    prepare_process()
    # The pools of a CPU without these are too small: "requests 2 workers".
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
    # Else C++ is compiled for half a minute to save a second of packing.
    os.environ.setdefault("GPTQMODEL_DISABLE_PACK_EXT", "1")
    os.environ.setdefault("GPTQMODEL_DISABLE_GIL_WARNING", "1")
    with silence_output():
        import gptqmodel
    for name in ("tokenicer", "torch.distributed", "torchao"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return gptqmodel


def import_stack() -> None:
    """Import GPTQModel and what loading a model imports, where they are there."""
    with contextlib.suppress(ImportError, OSError):  # said again, in one line, by what loads
        library()
        import_transformers()

"""What the linked library says of itself, asked in a child process.

`python -m grid_llamacpp.facts describe` prints version, features and devices;
`python -m grid_llamacpp.facts architecture NAME` whether a model of that architecture can load.
A library built for another processor dies at its first instruction: so the question is not put
in the asking process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

_TIMEOUT_S = 60


@cache
def describe() -> dict[str, Any]:
    """`version`, `features`, `devices` of the library, or `error` with the reason."""
    return _ask("describe")


@cache
def knows_architecture(name: str) -> bool | None:
    """Whether the library can load the architecture; None where it cannot be asked."""
    known = _ask("architecture", name).get("known")
    return known if isinstance(known, bool) else None


def _ask(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "grid_llamacpp.facts", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    with contextlib.suppress(ValueError):
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    last = done.stderr.decode(errors="replace").strip().splitlines()
    return {"error": last[-1] if last else f"the library ended its process ({done.returncode})"}


def _describe() -> dict[str, Any]:
    from grid_llamacpp.library import library

    found = library()
    offload = bool(found.api.llama_supports_gpu_offload())
    return {"version": found.version, "features": found.features, "offload": offload}


def _architecture(name: str) -> dict[str, Any]:
    """Load the vocabulary of a file that names the architecture and holds nothing else: llama.cpp
    looks the name up first and says so where it does not know it."""
    import gguf

    from grid_llamacpp.library import library

    found = library()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.gguf"
        writer = gguf.GGUFWriter(str(path), name)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        parameters = found.api.llama_model_default_params()
        parameters.vocab_only = True
        mark = found.log.mark()
        model = found.api.llama_model_load_from_file(str(path).encode(), parameters)
        if model:
            found.api.llama_model_free(model)
    return {"known": "unknown model architecture" not in " ".join(found.log.since(mark))}


if __name__ == "__main__":
    print(json.dumps(_describe() if sys.argv[1] == "describe" else _architecture(sys.argv[2])))

"""What the linked library says of itself, asked in a child process.

`python -m grid_llamacpp.probe describe` prints version, features and devices;
`python -m grid_llamacpp.probe architecture NAME` whether a model of that architecture can load.
A library built for another processor dies at its first instruction: so the question is not put
in the asking process.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from grid.backend import Availability, Declaration, Node, ask_child
from grid_llamacpp.library import PACKAGE, folder, library

_TIMEOUT_S = 60


def probe(declaration: Declaration, node: Node) -> Availability:
    """The accelerators of the node are devices where the library was built to use them."""
    if folder() is None:
        return declaration.unavailable(f"{PACKAGE} is not installed")
    answer = describe()
    if "error" in answer:
        return declaration.unavailable(
            f"{PACKAGE} does not load: {answer['error']}",
            f"{declaration.install_command} --reinstall --no-cache",
        )
    names = [accelerator.name for accelerator in node.accelerators] if answer["offload"] else []
    return Availability(ready=True, version=answer["version"], devices=("cpu", *names))


@cache
def describe() -> dict[str, Any]:
    """`version`, `features`, `offload` of the library, or `error` with the reason."""
    return ask("describe")


@cache
def knows_architecture(name: str) -> bool | None:
    """Whether the library can load the architecture; None where it cannot be asked."""
    answer = ask("architecture", name).get("known")
    return answer if isinstance(answer, bool) else None


def ask(*question: str) -> dict[str, Any]:
    """The answer of a child process, or `error` with the reason."""
    return ask_child("grid_llamacpp.probe", *question, timeout_s=_TIMEOUT_S, subject="the library")


def _describe() -> dict[str, Any]:
    linked = library()
    offload = bool(linked.api.llama_supports_gpu_offload())
    return {"version": linked.version, "features": linked.features, "offload": offload}


def _architecture(name: str) -> dict[str, Any]:
    """Load the vocabulary of a file that names the architecture and holds nothing else: llama.cpp
    looks the name up first and says so where it does not know it."""
    import gguf

    linked = library()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "empty.gguf"
        writer = gguf.GGUFWriter(str(path), name)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        parameters = linked.api.llama_model_default_params()
        parameters.vocab_only = True
        mark = linked.log.mark()
        model = linked.api.llama_model_load_from_file(str(path).encode(), parameters)
        if model:
            linked.api.llama_model_free(model)
    return {"known": "unknown model architecture" not in " ".join(linked.log.since(mark))}


if __name__ == "__main__":
    print(json.dumps(_describe() if sys.argv[1] == "describe" else _architecture(sys.argv[2])))

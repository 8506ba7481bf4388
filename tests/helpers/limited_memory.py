"""An engine whose process may have little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import importlib, resource, sys
from pathlib import Path
from grid.backend import OutOfMemory
from grid.testing.fixtures import make_node
backend = importlib.import_module(sys.argv[1]).backend
options = backend.options({}, make_node(cores=1))
with backend.load(Path(sys.argv[2]), "cpu", options) as engine:
    engine.resize(64)
    resource.setrlimit(resource.RLIMIT_DATA, (512 * 2**20, 512 * 2**20))
    try:
        engine.resize(800_000)
    except OutOfMemory as error:
        print(error)
    engine.resize(64)
    print(len(engine.logits([0, 5, 6])))
"""


def resize_beyond_memory(package: str, path: Path) -> list[str]:
    """Lines of a process that asks the backend in `package` for a context of 800,000 tokens (780
    MiB of cache of the tests' models) where 512 MiB of private memory are allowed, and then for a
    small one: the error, and the rows of logits that the small one gives."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, package, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines()

"""Time the README's first command from a fresh clone with cold caches, compile and rest apart.

    python scripts/bench_cold.py

Clones this checkout's HEAD to a new folder with an empty uv cache and an empty cache of our own,
installs all but llama-cpp-python, then that (its compile), then runs `grid sweep`. Run it on a
machine that does nothing else. Afterwards the sweep runs once more with `--fresh`: warm.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

STEPS = (
    ("install", ["uv", "sync", "--quiet", "--no-install-package", "llama-cpp-python"]),
    ("compile", ["uv", "sync", "--quiet"]),
    ("sweep, cold", ["uv", "run", "grid", "sweep"]),
    ("sweep, warm", ["uv", "run", "grid", "sweep", "--fresh", "--store", "warm"]),
)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "quantgrid"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            "UV_CACHE_DIR": f"{temporary}/uv",
            "QUANTGRID_CACHE": f"{temporary}/cache",
        }
        for name, command in STEPS:
            wall, cpu = run(command, clone, environment)
            print(f"{name}: {wall:.0f} s, {cpu / 60:.1f} CPU-minutes", flush=True)


if __name__ == "__main__":
    main()

"""Run the tests of backends that need their engine, each in its own environment.

    uv run python scripts/engine_tests.py [BACKEND...]

In this project's own environment those tests skip, since the engine is not there. Environments
that are missing are made; pytest comes from a folder beside them, so that they stay as pinned.
Exits with 1 where a test fails, or skips for want of what belongs here: a package of the engine, an
engine that is ready, a checkpoint that it is given.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from engine_weights import make_weights

from grid.engine.environments import Interpreter, ensure_environment
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.models.packages.uv import find_uv, uv_settings

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "transformers": "transformers/tests",
    "gptq": "gptqmodel/tests",
    "mlx": "mlx/tests",
    "vllm": "vllm/tests",
    "autogptq": "autogptq/tests",
    "autoawq": "autoawq/tests",
    "llamacpp-converter": "llamacpp/tests/converter",
}
"""Backends whose engine is not in this project's environment, and the folder of their tests."""

TOOLS = ("pytest", "hypothesis")
CHECKPOINTS = {
    "QUANTGRID_TEST_GPTQ": ("gptq", "gptq-w4g128"),
    "QUANTGRID_TEST_AWQ": ("awq", "awq-w4g128"),
}
"""Checkpoints of the smallest model that tests read, by variable: who makes them, and what."""

_WANT = re.compile(r"\bnot installed\b|\bnot ready\b|\bQUANTGRID_TEST_\w+ names\b")
"""Reasons to skip in an environment without the engine; here they mean that nothing was tested."""


def checkpoints(folder: Path, node: Node) -> dict[str, str]:
    """The checkpoints of `CHECKPOINTS`, made by their backends: variable -> path."""
    paths = {}
    for variable, (backend, quant) in CHECKPOINTS.items():
        target = folder / f"small-{quant}"
        make_weights(backend, quant, target, node)
        paths[variable] = str(target)
    return paths


def run(name: str, interpreter: Interpreter, folder: Path, variables: dict[str, str]) -> bool:
    """Whether the tests of a backend pass, none having been skipped for want of its engine."""
    tools = folder / f"tools-{name}"
    install = [find_uv(), "pip", "install", "--quiet", "--python", interpreter.python]
    subprocess.run(
        [*install, "--target", str(tools), *TOOLS],
        cwd=folder,
        env=uv_settings(os.environ),
        check=True,
    )
    path = os.pathsep.join([str(interpreter.imports or ROOT), str(tools)])
    tests = str(ROOT / "backends" / TESTS[name])
    # The fixtures by name: conftest.py of the folders above is for this project's environment.
    plugins = ["-p", "no:cacheprovider", "-p", "grid.testing.fixtures"]
    command = [interpreter.python, "-m", "pytest", *plugins, "-rs"]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--confcutdir", tests, tests],
        cwd=folder,  # some engines write logs where they run
        env={
            **os.environ,
            **variables,
            "PYTHONPATH": path,
            "QUANTGRID_CACHE": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    shown = lines if done.returncode else [line for line in lines if line.startswith("SKIPPED")]
    print(f"{name}: {time.monotonic() - start:.0f} s: {lines[-1] if lines else done.stderr[-500:]}")
    for line in shown[-60:]:
        print(f"  {line}")
    lacking = skipped_for_want(lines)
    if lacking:
        print(f"  {len(lacking)} of these lines mean that the engine was not tested")
    sys.stdout.flush()
    return done.returncode == 0 and not lacking and "passed" in (lines[-1] if lines else "")


def skipped_for_want(lines: Iterable[str]) -> list[str]:
    """Of pytest's report those lines that say what was skipped because the engine, or what it is
    to be tried on, was not there."""
    return [line for line in lines if line.startswith("SKIPPED") and _WANT.search(line)]


def main(names: list[str]) -> int:
    node = probe_node()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = checkpoints(folder, node)
        failed = [
            backend
            for backend in names or TESTS
            if not run(backend, ensure_environment(backend, node), folder, variables)
        ]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the conformance suite on every backend, each in its own environment, for real.

    uv run python scripts/conformance.py [--record docs/conformance.md] [BACKEND...]

Makes environments that are missing. Weights are the bundled family's smallest model; what its
16 bits give in llama.cpp is what the others are held against. Prints for each backend which
capabilities ran, which were skipped and why. Exits with 1 where a rule is broken, where a backend
of `REQUIRED` ran nothing, or where an environment could not be made.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from engine_weights import LIMIT_S, make_weights

from grid.backend.registry import backend
from grid.engine.environments import engine_version, ensure_environment, find_interpreter
from grid.errors import EngineError
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.models.bundled import size_dir

REQUIRED = ("llamacpp", "gptq", "awq", "transformers", "mlx", "vllm", "openai", "fake")
"""Backends that must run here: 16 bits at least."""


class Trial(NamedTuple):
    """What a backend is tried on: `weights` is `small` (the folder), or the backend that makes the
    checkpoint at `quant`."""

    weights: str = "small"
    quant: str = ""
    recipe: str = ""
    arguments: tuple[str, ...] = ()


TRIALS: dict[str, tuple[Trial, ...]] = {
    "fake": (Trial("fake", "F16", recipe="Q4"),),
    "llamacpp": (Trial("llamacpp", "F16", recipe="Q4_K_M"),),
    "transformers": (
        Trial(recipe="bnb-nf4"),
        Trial("gptq", "gptq-w4g128", arguments=("--loads", "2")),
        Trial("awq", "awq-w4g128", arguments=("--loads", "2")),
    ),
    "gptq": (Trial(recipe="gptq-w4g128"), Trial("gptq", "gptq-w4g128")),
    "awq": (Trial(recipe="awq-w4g128"), Trial("awq", "awq-w4g128")),
    "mlx": (
        Trial(recipe="mlx-4bit-g64"),
        Trial("mlx", "mlx-4bit-g64", arguments=("--tokens", "16")),
    ),
    "vllm": (Trial(arguments=("--tokens", "8", "--loads", "1")),),
    "openai": (Trial("llamacpp", "F16", arguments=("--tokens", "8", "--loads", "1")),),
    "autogptq": (Trial("gptq", "gptq-w4g128"),),
    "autoawq": (Trial("awq", "awq-w4g128"),),
}


class Weights:
    """The folders and files of the trials, each made once by the backend that makes it."""

    def __init__(self, folder: Path, node: Node) -> None:
        self._folder, self._node = folder, node

    def of(self, trial: Trial) -> Path:
        """Raises EngineError where they cannot be made."""
        if trial.weights == "small":
            return size_dir("small")
        suffix = min(backend(trial.weights).formats) if not trial.quant.count("-") else "folder"
        target = self._folder / f"{trial.weights}-{trial.quant}.{suffix}"
        if not target.exists():
            make_weights(trial.weights, trial.quant, target, self._node)
        return target


def run(name: str, trial: Trial, path: Path, expected: Path, node: Node) -> dict[str, Any]:
    """What the suite says of one trial: its rules and capabilities. Raises EngineError where it
    ends without an answer."""
    interpreter = ensure_environment(name, node)
    command = [interpreter.python, "-m", "grid.testing", name, str(path), "--json"]
    if trial.recipe:
        command += ["--recipe", trial.recipe, "--source", str(path)]
    if trial.weights == "small":
        command += ["--expected", str(expected)]
    environ = dict(os.environ)
    if interpreter.imports:
        environ["PYTHONPATH"] = interpreter.imports
    done = subprocess.run(
        [*command, *trial.arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=expected.parent,  # quantizers write logs to where they run
        env=environ,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise EngineError(f"the suite ended with {done.returncode}: {last}") from None
    return answer


def expectations(weights: Weights, folder: Path, node: Node) -> Path:
    """What llama.cpp computes of the 16-bit weights, in a file."""
    target = folder / "expected.json"
    path = weights.of(TRIALS["llamacpp"][0])
    interpreter = ensure_environment("llamacpp", node)
    command = [interpreter.python, "-m", "grid.testing", "llamacpp", str(path)]
    subprocess.run([*command, "--write-expected", str(target)], check=True, capture_output=True)
    return target


class Line(NamedTuple):
    """A backend's result on one trial."""

    backend: str
    on: str
    version: str
    seconds: float
    capabilities: dict[str, str]
    broken: tuple[str, ...]

    @property
    def ran(self) -> list[str]:
        return [name for name, outcome in self.capabilities.items() if outcome == "ran"]

    @property
    def not_run(self) -> list[str]:
        return [
            f"{name} {outcome}" for name, outcome in self.capabilities.items() if outcome != "ran"
        ]


def run_trials(name: str, weights: Weights, expected: Path, node: Node) -> list[Line]:
    lines = []
    for trial in TRIALS[name]:
        on = trial.quant or "F16 folder"
        start = time.monotonic()
        try:
            path = weights.of(trial)
            answer = run(name, trial, path, expected, node)
            rules = answer["checks"]
            broken = tuple(f"{k}: {v}" for k, v in rules.items() if v.startswith("broken"))
            capabilities = answer["capabilities"]
        except (EngineError, subprocess.TimeoutExpired) as error:
            capabilities, broken = {}, (str(error),)
        version = engine_version(name, node) if find_interpreter(name, node) else ""
        lines.append(Line(name, on, version, time.monotonic() - start, capabilities, broken))
        print_line(lines[-1])
    return lines


def print_line(line: Line) -> None:
    print(f"{line.backend} on {line.on} ({line.version or 'no engine'}): {line.seconds:.0f} s")
    print(f"  ran: {', '.join(line.ran) or 'nothing'}")
    for outcome in line.not_run:
        print(f"  {outcome}")
    for broken in line.broken:
        print(f"  BROKEN {broken}")
    sys.stdout.flush()


def record(lines: list[Line], node: Node, target: Path) -> None:
    """The lines as a page, dated: for backends that are too slow to be tried at every commit."""
    today = datetime.datetime.now(datetime.UTC).date()
    rows = [
        f"| {line.backend} | {line.on} | {line.version} | {', '.join(line.ran) or 'nothing'} | "
        f"{'; '.join([*line.not_run, *line.broken]) or '-'} | {line.seconds:.0f} |\n"
        for line in lines
    ]
    target.write_text(
        "# Conformance\n\n"
        "What `grid.testing` found of each backend on the bundled family's smallest model, written "
        f"by\n`scripts/conformance.py --record` on {today}, {node.chip}, {node.cores} cores "
        f"({node.device_kind}).\n\n"
        "| backend | on | engine | ran | skipped or broken | s |\n|---|---|---|---|---|---|\n"
        + "".join(rows)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="default: all")
    parser.add_argument("--record", type=Path, help="write the result as a dated page")
    flags = parser.parse_args()
    node = probe_node()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = Weights(folder, node)
        expected = expectations(weights, folder, node)
        for backend_name in flags.backends or TRIALS:
            lines += run_trials(backend_name, weights, expected, node)
    if flags.record:
        record(lines, node, flags.record)
    required = [name for name in REQUIRED if name in flags.backends or not flags.backends]
    ran = {line.backend for line in lines if line.ran}
    idle = [name for name in required if name not in ran]
    if idle:
        print(f"ran nothing: {', '.join(idle)}")
    return 1 if idle or any(line.broken for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())

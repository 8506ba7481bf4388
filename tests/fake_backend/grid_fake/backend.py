"""The declaration of the fake backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grid.backend import (
    Availability,
    Calibration,
    Capability,
    Inspection,
    Needs,
    Recipe,
    ServeCommand,
    ServeRequest,
    ShellCommand,
)
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.units import MIB
from grid_fake import file
from grid_fake.engine import USUAL_BATCH, FakeEngine

DEFAULTS: Options = {
    "threads": 1,
    "batch": USUAL_BATCH,
    "allocate_mib": 0,
    "cell_s": 0.0,
    "crash_on": "",
    "hang_on": "",
    "oom_on": "",
    "unsupported_on": "",
    "fail_quant": "",
}
CALLS = ("load", "resize", "encode", "logits", "score", "prefill", "step", "generate")
PROCESS_BYTES = 64 * MIB
"""What an interpreter with numpy takes by itself, about."""


class FakeBackend:
    """See the package's docstring."""

    name = "fake"
    for_tests = True
    """Lists for people leave it out."""
    formats = frozenset({"fake"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "embeds", "quantizes"}
    )
    speed_only = frozenset({"threads", "cell_s"})
    runtime: Path | None = None

    def probe(self, node: Node) -> Availability:
        return Availability(ready=True, version=FakeEngine.version, devices=("cpu",))

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        for name, value in requested.items():
            if name not in DEFAULTS:
                raise InputError(f"unknown option {name!r}. {did_you_mean(name, DEFAULTS)}")
            default = DEFAULTS[name]
            if type(value) is not type(default):
                kind = type(default).__name__
                raise InputError(f"{name}: expected {kind}, got {type(value).__name__}")
            if name.endswith("_on"):
                _check_calls(name, str(value))
        return {**DEFAULTS, **requested}

    def noise_options(self, options: Options) -> Options:
        return {**options, "batch": 1 if options["batch"] != 1 else USUAL_BATCH}

    def inspect(self, path: Path) -> Inspection:
        return file.inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return file.RECIPES

    def quantizer(self) -> str:
        return "fake 1"

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        held = artifact.model.kv_bytes(workload.size) + int(options["allocate_mib"]) * MIB
        return Needs(host_bytes=PROCESS_BYTES + weight_bytes + held)

    @contextmanager
    def load(self, path: Path, device: str, options: Options) -> Iterator[FakeEngine]:
        yield FakeEngine(file.read(path), options)

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        file.quantize(source, recipe, target)

    def serve_command(self, artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
        words = ("python", "-m", "grid_fake", str(artifact.path))
        argv = (*words, "--context", str(request.context), "--sessions", str(request.sessions))
        return [ServeCommand(program="fake", commands=(ShellCommand(argv=argv),))]


def _check_calls(option: str, value: str) -> None:
    for call in filter(None, value.split(",")):
        if call not in CALLS:
            raise InputError(f"{option}: unknown engine call {call!r}. {did_you_mean(call, CALLS)}")

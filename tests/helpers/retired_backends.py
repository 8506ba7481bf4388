"""What AutoGPTQ and AutoAWQ must both keep to: a declaration that is light and true, and an engine
that runs GPTQModel's files."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from grid.backend import InputError, Node, Quantizes, Unsupported
from grid.testing import CHECKS, Case, check
from grid.testing.fixtures import copy_folder, skip_unless_installed


@pytest.mark.usefixtures("own_cache")
class RetiredBackendTests:
    """A subclass names a backend and adds what is true of it alone.

    `variable` is the environment variable with the folder of a checkpoint of a small model: the
    packages make none on a CPU, and what makes them lives in another environment.
    """

    backend: ClassVar[Any]
    variable: ClassVar[str]
    pins: ClassVar[set[str]]

    @pytest.fixture
    def checkpoint(self) -> Path:
        skip_unless_installed(self.backend.module)
        if self.variable not in os.environ:
            pytest.skip(f"{self.variable} names no checkpoint to run")
        return Path(os.environ[self.variable])

    def declare(self, folder: Path, target: Path, **fields: object) -> Path:
        """A copy of a folder whose config.json declares the format; its weights are plain."""
        declared = {"quant_method": self.backend.format, "bits": 4, "group_size": 128, **fields}
        return copy_folder(folder, target, quantization_config=declared)

    def refuse(self, path: Path, node: Node, message: str) -> None:
        with (
            pytest.raises(Unsupported, match=message),
            self.backend.load(path, "cpu", self.backend.options({}, node)),
        ):
            pass

    def test_importing_it_loads_no_engine(self) -> None:
        package = type(self.backend).__module__.partition(".")[0]
        code = f"import {package}, json, sys; print(json.dumps(sorted(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        engine = {self.backend.module, "transformers", "torch"}
        assert not engine & set(json.loads(done.stdout))

    def test_a_retired_backend_runs_one_format_and_makes_nothing(self) -> None:
        assert self.backend.formats == {self.backend.format}
        assert not isinstance(self.backend, Quantizes)
        assert self.backend.recipes() == {}

    def test_where_it_is_missing_probe_says_how_to_mend_it(
        self, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        availability = self.backend.probe(node)
        assert not availability.ready
        assert availability.reason == f"{self.backend.distribution} is not installed"
        assert availability.mend == f"uv pip install -r {self.backend.runtime}"

    def test_runtime_pins_everything_exactly_and_in_order(self) -> None:
        lines = self.backend.runtime.read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
        assert pins == sorted(pins)
        assert self.pins <= set(pins)

    def test_options_are_checked(self, node: Node) -> None:
        options = self.backend.options({"batch": 64}, node)
        assert options == {"threads": 2, "batch": 64, "device": "cpu"}
        message = f"'bach' is unknown to {self.backend.name}. Did you mean 'batch'\\?"
        with pytest.raises(InputError, match=message):
            self.backend.options({"bach": 64}, node)

    def test_another_methods_checkpoint_is_refused(
        self, folder: Path, tmp_path: Path, node: Node
    ) -> None:
        name, method = self.backend.name, self.backend.format
        another = "gptq" if method == "awq" else "awq"
        path = self.declare(folder, tmp_path / "small", quant_method=another)
        self.refuse(path, node, f"small is {another}-w4g128; {name} runs {method} checkpoints")

    @pytest.mark.parametrize("rule", sorted(CHECKS))
    def test_the_engine_keeps_to_the_contract(
        self, checkpoint: Path, rule: str, node: Node
    ) -> None:
        outcome = check(rule, Case(self.backend, checkpoint, node, tokens=16, loads=2))
        assert outcome == "ran" or "does not declare" in outcome or "Case.expected" in outcome


def layer_outputs(backend: Any, checkpoint: Path, node: Node, name: str, inputs: Any) -> Any:
    """What the layer called `name` makes of `inputs` [1, width] in a loaded engine."""
    import torch

    with backend.load(checkpoint, "cpu", backend.options({}, node)) as engine:
        layer = engine._forward.model.get_submodule(name)
        with torch.inference_mode():
            return layer(inputs).numpy().reshape(1, -1)

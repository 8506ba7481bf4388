"""A plugin of the time before the rooms: its imports, its parameter names and its tests still work.

`FORMER_PLUGIN` stands as such a plugin was written then: nouns from the modules of that time, and
`given` as the parameter of `options`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from gguf_bytes import gguf_file

import grid.testing
from grid.backend import Backend
from grid.testing import CHECKS, Case, check

FORMER_PLUGIN = '''
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from grid.artifact import Artifact
from grid.backend import Availability, Inspection, Needs, TokenScores
from grid.cell import Options
from grid.errors import EngineError, InputError, did_you_mean
from grid.formats.gguf import inspect
from grid.model import Model
from grid.node import Node
from grid.workload import Workload

DEFAULTS = {"batch": 512, "threads": 1}


class UniformEngine:
    """Bytes, each as likely as the others."""

    version = "former 1"
    bos = None
    vocabulary = 256

    def environment(self):
        return {"kernels": "numpy"}

    def resize(self, context):
        pass

    def memory_report(self):
        return {}

    def encode(self, text):
        return list(text.encode())

    def decode(self, ids):
        return bytes(ids)

    def logits(self, ids, first=0):
        return np.zeros((len(ids) - first, self.vocabulary), dtype=np.float32)

    def score(self, requests):
        for _, continuation in requests:
            count = len(continuation)
            yield TokenScores(np.full(count, -np.log(256.0)), np.zeros(count, dtype=np.int64))


class FormerBackend:
    name = "former"
    formats = frozenset({"gguf"})
    capabilities = frozenset({"tokenizes", "logits", "scores"})
    speed_only = frozenset({"threads"})
    runtime = None

    def probe(self, node: Node) -> Availability:
        return Availability(ready=True, version=UniformEngine.version, devices=("cpu",))

    def options(self, given, node: Node) -> Options:
        for option in given:
            if option not in DEFAULTS:
                raise InputError(f"unknown option {option!r}. {did_you_mean(option, DEFAULTS)}")
        return {**DEFAULTS, **given}

    def noise_options(self, options: Options) -> Options:
        return {**options, "batch": 1 if options["batch"] != 1 else 512}

    def inspect(self, path: Path) -> Inspection:
        inspection = inspect(path)
        assert isinstance(inspection.model, Model)
        return inspection

    def recipes(self):
        return {}

    def quantizer(self):
        return ""

    def needs(self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload):
        cache = artifact.model.kv_bytes(workload.size)
        return Needs(host_bytes=weight_bytes + cache, kv_bytes=cache)

    @contextmanager
    def load(self, path: Path, device: str, options: Options):
        if not path.exists():
            raise EngineError(f"{path}: not there")
        yield UniformEngine()


backend = FormerBackend()
'''


@pytest.fixture(scope="module")
def former() -> Iterator[Backend]:
    module = ModuleType("grid_former")
    sys.modules[module.__name__] = module
    exec(compile(FORMER_PLUGIN, "grid_former.py", "exec"), vars(module))
    yield module.backend
    del sys.modules[module.__name__]


@pytest.fixture(scope="module")
def case(former: Backend, tmp_path_factory: pytest.TempPathFactory) -> Case:
    path: Path = tmp_path_factory.mktemp("former") / "tiny.gguf"
    path.write_bytes(gguf_file())
    return Case(former, path, grid.testing.here())  # as tests of that time call it


@pytest.mark.parametrize("rule", CHECKS)
def test_former_plugin_keeps_to_the_contract(rule: str, case: Case) -> None:
    outcome = check(rule, case)
    assert outcome == "ran" or "does not declare" in outcome or "Case.expected" in outcome


def test_former_checkpoint_module_is_the_inspection_of_folders() -> None:
    from grid.formats import checkpoint

    from grid.backend import inspect_checkpoint

    assert checkpoint.inspect is inspect_checkpoint

"""Fixtures for a backend's own tests, as a pytest plugin; it needs pytest, and no engine.

    # conftest.py, beside the tests
    import pytest
    from grid_myengine import backend as myengine

    pytest_plugins = ["grid.testing.fixtures"]

    @pytest.fixture(scope="session")
    def backend():
        return myengine

Then a test takes `load_engine`, `node`, `folder` or `calibration` as an argument:

    def test_greedy_text_repeats(load_engine, folder):
        with load_engine(folder, threads=2) as engine:
            ...
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from grid.backend import Backend, Calibration, LayerState, Model, Node
from grid.cache import CACHE_VARIABLE
from grid.models.bundled import heldout_text, size_dir

EngineLoader = Callable[..., AbstractContextManager[Any]]


def make_node(**fields: Any) -> Node:
    """A made-up machine of two cores without an accelerator, with other fields where named."""
    usual = {"name": "node", "system": "any", "chip": "any", "cores": 2}
    return Node(**{**usual, "memory_bytes": 2**34, "bandwidth_bytes_s": 1e10, **fields})


def make_model(**fields: Any) -> Model:
    """A made-up Llama of eight billion parameters, with other fields where named: enough for the
    estimates of a declaration."""
    names = {"name": "m", "family": "f", "source": "s", "revision": "r", "architecture": "llama"}
    shape = {"parameters": 8_000_000_000, "context_length": 8192, "vocabulary": 128_000}
    layers = (LayerState(key=1024, value=1024),) * 32
    return Model(**{**names, **shape, "layers": layers, **fields})


def copy_folder(folder: Path, target: Path, **config: Any) -> Path:
    """A copy of a model's folder at `target`, whose config.json has these fields."""
    shutil.copytree(folder, target)
    path = target / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return target


def skip_unless_installed(*modules: str) -> None:
    """Skip a test where one of the engine's modules is not there; imports none."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed in this interpreter")


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own instead of the user's, where a conftest.py asks for it."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache))
        yield cache


@pytest.fixture(scope="session")
def node() -> Node:
    return make_node()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest model of the bundled family, 16 bits, as a checkpoint folder."""
    target = tmp_path_factory.mktemp("models") / "small"
    shutil.copytree(size_dir("small"), target)
    return target


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """Few and short pieces: enough to make weights, too little to judge them."""
    path = tmp_path_factory.mktemp("texts") / "calibration.txt"
    path.write_text(heldout_text()[:20_000], encoding="utf-8")
    digest = sha256(path.read_bytes()).hexdigest()
    return Calibration(path=str(path), sha256=digest, samples=16, tokens=128)


@pytest.fixture(scope="session")
def engine_options() -> Mapping[str, Any]:
    """Options that `load_engine` sets unless it is told others; override it in a conftest.py."""
    return {}


@pytest.fixture(scope="module")
def load_engine(backend: Backend, node: Node, engine_options: Mapping[str, Any]) -> EngineLoader:
    """`load_engine(path, **options)` opens an engine of the fixture `backend` on the CPU.

    A module's own, since pytest keeps a session's though another folder has another backend.
    """

    def load(path: Path, **requested: Any) -> AbstractContextManager[Any]:
        options = backend.options({**engine_options, **requested}, node)
        return backend.load(path, "cpu", options)

    return load

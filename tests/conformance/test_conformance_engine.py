"""Every backend of this repository keeps to the contract."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from grid.backend import Backend
from grid.hardware.node import Node
from grid.testing import CHECKS, Case, NonConforming, check, expectation

NODE = Node(name="n", system="s", chip="c", cores=1, memory_bytes=2**34, bandwidth_bytes_s=1e10)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Case:
    plugin = pytest.importorskip("grid_fake")
    path = tmp_path_factory.mktemp("fake") / "toy.fake"
    plugin.write(path)
    return _whole(Case(plugin.backend, path, NODE, recipe="Q4"))


@pytest.fixture(scope="module")
def llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Case:
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed")
    from grid_llamacpp import backend

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "backends" / "llamacpp" / "tests"))
        from llamacpp_random import write_folder
    folder = tmp_path_factory.mktemp("llamacpp")
    path = folder / "tiny-F16.gguf"
    backend.quantize(write_folder(folder / "tiny"), "F16", path, 1)
    declared: Backend = backend
    return _whole(Case(declared, path, NODE, recipe="Q8_0"))


def _whole(case: Case) -> Case:
    """With the engine's own figures to be held against: what one load said, another must say."""
    return replace(case, expected=expectation(case, "an earlier load"))


@pytest.mark.parametrize("rule", CHECKS)
@pytest.mark.parametrize("name", ["fake", pytest.param("llamacpp", marks=pytest.mark.engine)])
def test_backend_conforms(name: str, rule: str, request: pytest.FixtureRequest) -> None:
    outcome = check(rule, request.getfixturevalue(name))
    if outcome != "ran":
        pytest.skip(outcome)


def test_a_broken_backend_is_found(fake: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sys.modules[type(fake.backend).__module__].FakeEngine
    monkeypatch.setattr(engine, "decode", lambda self, ids: b"something else")
    with pytest.raises(NonConforming, match="decoding gives the text back"):
        check("tokens_give_their_text_back", fake)

"""The pytest plugin for the tests of backends, used as an author uses it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
from grid_fake import FakeBackend, write

from grid.backend import Backend, Calibration, Node, Options, inspect_checkpoint
from grid.testing.fixtures import EngineLoader, copy_folder, make_node, skip_unless_installed


class Recording(FakeBackend):
    """Keeps the options that it was asked for."""

    requested: ClassVar[list[Mapping[str, Any]]] = []

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        self.requested.append(requested)
        return super().options(requested, node)


@pytest.fixture(scope="module")
def backend() -> Backend:
    return Recording()


@pytest.fixture(scope="module")
def engine_options() -> Mapping[str, Any]:
    return {"threads": 3}


def test_an_engine_is_loaded_with_usual_and_requested_options(
    load_engine: EngineLoader, tmp_path: Path
) -> None:
    with load_engine(write(tmp_path / "toy.fake"), batch=7) as engine:
        engine.resize(16)
        assert engine.logits([97, 98]).shape == (2, engine.vocabulary)
    assert Recording.requested == [{"threads": 3, "batch": 7}]


def test_the_folder_is_a_whole_model(folder: Path) -> None:
    assert inspect_checkpoint(folder).quant == "F16"
    assert (folder / "tokenizer.json").is_file()


def test_a_copy_has_other_fields_in_its_config(folder: Path, tmp_path: Path) -> None:
    copy = copy_folder(folder, tmp_path / "copy", num_hidden_layers=3)
    config = json.loads((folder / "config.json").read_text())
    assert json.loads((copy / "config.json").read_text()) == {**config, "num_hidden_layers": 3}


def test_the_calibration_set_is_its_text(calibration: Calibration) -> None:
    assert sha256(Path(calibration.path).read_bytes()).hexdigest() == calibration.sha256


def test_the_cache_is_the_tests_own(own_cache: Path) -> None:
    assert own_cache.is_dir()
    assert own_cache != Path(os.environ["HOME"])


def test_a_node_is_made_with_what_matters(node: Node) -> None:
    assert (node.cores, node.accelerators) == (2, ())
    assert make_node(cores=16).cores == 16


def test_a_missing_engine_skips_the_test() -> None:
    skip_unless_installed("numpy")
    with pytest.raises(pytest.skip.Exception, match="no_such_engine is not installed"):
        skip_unless_installed("numpy", "no_such_engine")

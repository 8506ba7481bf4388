"""Folders that llama.cpp's backend does not convert itself go through its converter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.models import bundled
from grid.plan import Plan, expand, load_sweep
from grid.sweep.node_report import report
from grid.sweep.planner import StoreSnapshot, plan_for_node

OURS = backend("llamacpp").quantizer()
CONVERTER = backend("llamacpp-converter").quantizer()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the smallest bundled model that a test may change."""
    return Path(shutil.copytree(bundled.size_dir("small"), tmp_path / "small"))


def change(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def plan(source: Path | str) -> Plan:
    text = f'measures = ["memory"]\nquants = ["F16", "Q4_0"]\n[[models]]\nsource = "{source}"\n'
    file = Path(source).parent / "s.toml" if isinstance(source, Path) else Path("s.toml")
    file.write_text(text)
    return expand(load_sweep(file), {"llamacpp": backend("llamacpp")}, NODE)


def test_a_plain_llama_is_converted_by_ours_as_ever(folder: Path) -> None:
    _, whole, low = plan(folder).artifacts
    assert (whole.backend, whole.quantizer, low.quantizer) == ("llamacpp", OURS, OURS)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        {"attention_bias": True},
    ],
)
def test_another_architecture_goes_through_the_converter(
    folder: Path, changes: dict[str, Any]
) -> None:
    change(folder, **changes)
    _, whole, low = plan(folder).artifacts
    assert (whole.backend, whole.quantizer) == ("llamacpp-converter", CONVERTER)
    assert (low.backend, low.quantizer) == ("llamacpp", f"{OURS}, of weights by {CONVERTER}")
    assert (low.made_from, whole.format) == (whole, "gguf")


def test_a_llama_with_a_chat_template_goes_through_the_converter(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    _, whole, _ = plan(folder).artifacts
    assert whole.backend == "llamacpp-converter"


def test_the_cells_run_in_llama_cpp_whoever_converts(folder: Path) -> None:
    change(folder, model_type="qwen3", architectures=["Qwen3ForCausalLM"])
    assert {cell.backend for cell in plan(folder).cells} == {"llamacpp"}


def test_an_architecture_that_the_converter_does_not_know_is_skipped(folder: Path) -> None:
    change(folder, model_type="new", architectures=["NewForCausalLM"])
    result = plan(folder)
    assert result.cells == ()
    (reason,) = {skip.reason for skip in result.skipped}
    assert "llama.cpp's converter does not know the architecture NewForCausalLM" in reason


def test_its_environment_is_among_those_to_be_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    state = report(["llamacpp"], node=NODE)
    assert state.converters == {"llamacpp-converter": False}
    store = str(tmp_path / "results")
    for changed, needed in ((False, False), (True, True)):
        if changed:
            change(folder, model_type="qwen3", architectures=["Qwen3ForCausalLM"])
        plan(folder)  # writes the sweep file
        planned = plan_for_node(load_sweep(tmp_path / "s.toml"), state, StoreSnapshot(store))
        assert ("llamacpp-converter" in planned.backends) == needed
        assert planned.environments["llamacpp-converter"] is False

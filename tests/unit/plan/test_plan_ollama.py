"""Plans of models in Ollama's store: the blob itself is measured, under a name for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf_bytes import gguf_file, small_entries
from ollama_store import add_model, blob_of
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.plan import expand
from grid.plan.model_sweep import sweep_of


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(("header", "name"), [("Tiny Model", "Tiny-Model"), ("", "tiny-q8")])
def test_a_blob_is_measured_where_it_lies(store: Path, header: str, name: str) -> None:
    entries = small_entries(("general.name", 8, header))
    weights = gguf_file(entries)
    add_model(store, "tiny:q8", weights, projector=b"images")
    plan = expand(sweep_of("ollama:tiny:q8"), {"llamacpp": backend("llamacpp")}, NODE)
    artifacts = {artifact.id: artifact for artifact in plan.artifacts}
    (artifact,) = artifacts.values()
    assert artifact.path == str(blob_of(store, weights))
    assert artifact.model.source == "ollama:tiny:q8"
    assert artifact.model.name == name
    assert any("projector" in note for note in plan.shape_notes)

"""Models in a store that is laid out as Ollama's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gguf_bytes import gguf_file
from ollama_store import add_model, blob_of

from grid.errors import InputError
from grid.models.ollama import find_model, parse, stored_names, verify

WEIGHTS = gguf_file()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    add_model(tmp_path / "models", "llama3.2:3b", WEIGHTS, template=b"{{ .Prompt }}")
    add_model(tmp_path / "models", "llama3.2:latest", WEIGHTS)
    return tmp_path / "models"


def complaint(text: str) -> str:
    with pytest.raises(InputError) as caught:
        verify(find_model(text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_is_its_blob_which_is_named_by_its_hash(store: Path) -> None:
    model = find_model("ollama:llama3.2:3b")
    verify(model)
    assert model.path == blob_of(store, WEIGHTS)
    assert model.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert model.note == ""


def test_a_name_without_a_tag_is_the_latest(store: Path) -> None:
    assert str(find_model("ollama:llama3.2").address) == "ollama:llama3.2:latest"
    assert stored_names() == ("ollama:llama3.2:3b", "ollama:llama3.2:latest")


def test_models_of_users_and_of_other_registries_have_their_own_folders(store: Path) -> None:
    add_model(store, "tiny:q4", WEIGHTS, place="registry.ollama.ai/someone")
    add_model(store, "Tiny-GGUF:Q8_0", WEIGHTS, place="hf.co/owner")
    assert find_model("ollama:someone/tiny:q4").path.exists()
    assert find_model("ollama:hf.co/owner/Tiny-GGUF:Q8_0").path.exists()
    assert "ollama:hf.co/owner/Tiny-GGUF:Q8_0" in stored_names()


def test_blobs_of_older_versions_are_named_with_a_colon(store: Path) -> None:
    blob = blob_of(store, WEIGHTS)
    blob.rename(blob.with_name(blob.name.replace("-", ":")))
    assert find_model("ollama:llama3.2:3b").path.exists()


def test_an_unknown_tag_and_a_mistyped_model_get_a_near_name(store: Path) -> None:
    assert "Did you mean 'ollama:llama3.2:3b'?" in complaint("ollama:llama3.2:8b")
    assert "Did you mean 'ollama:llama3.2:3b'?" in complaint("ollama:lama3.2:3b")


@pytest.mark.parametrize("name", ["", "a:b:c", "../../x", "a/../b", "/x", "a/b/c/d", "x:"])
def test_what_is_no_name_is_refused(store: Path, name: str) -> None:
    assert "ollama:MODEL:TAG" in complaint(f"ollama:{name}")


def test_a_blob_that_is_gone_is_named(store: Path) -> None:
    blob_of(store, WEIGHTS).unlink()
    text = complaint("ollama:llama3.2:3b")
    assert "weights are gone" in text
    assert "`ollama pull llama3.2:3b`" in text


def test_a_blob_that_is_cut_is_named(store: Path) -> None:
    blob_of(store, WEIGHTS).write_bytes(WEIGHTS[:-10])
    assert f"{len(WEIGHTS) - 10} of {len(WEIGHTS)} bytes" in complaint("ollama:llama3.2:3b")


def test_a_blob_of_another_content_is_not_what_its_name_says(store: Path) -> None:
    blob_of(store, WEIGHTS).write_bytes(WEIGHTS[:-1] + b"\1")
    assert "another than its name says" in complaint("ollama:llama3.2:3b")


@pytest.mark.parametrize("part", [0, 1, 40, -1])
def test_a_manifest_that_is_cut_is_named(store: Path, part: int) -> None:
    manifest = store / "manifests/registry.ollama.ai/library/llama3.2/3b"
    manifest.write_bytes(manifest.read_bytes()[:part])
    assert "is damaged or cut" in complaint("ollama:llama3.2:3b")


def test_a_manifest_leads_nowhere_outside_the_blobs(store: Path) -> None:
    manifest = store / "manifests/registry.ollama.ai/library/llama3.2/3b"
    manifest.write_text(manifest.read_text().replace("sha256:", "sha256:../../"))
    assert "is damaged or cut" in complaint("ollama:llama3.2:3b")


def test_an_adapter_is_refused_and_a_projector_noted(store: Path) -> None:
    add_model(store, "tuned:x", WEIGHTS, adapter=b"lora")
    assert "has an adapter" in complaint("ollama:tuned:x")
    add_model(store, "sees:x", WEIGHTS, projector=b"images")
    assert "projector" in find_model("ollama:sees:x").note


def test_without_a_store_the_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    assert "OLLAMA_MODELS" in complaint("ollama:llama3.2:3b")
    assert stored_names() == ()


def test_names_are_written_as_ollama_writes_them() -> None:
    for name in ("llama3.2:3b", "someone/tiny:q4", "hf.co/owner/Tiny-GGUF:Q8_0"):
        assert parse(f"ollama:{name}").name == name

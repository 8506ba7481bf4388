"""What is known of weights on the hub before they are downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_folders import safetensors_file
from gguf_bytes import ARRAY, STRING, U32, gguf_file, small_entries
from hub_fixtures import REPO, go_offline, weights_at
from hub_fixtures import hub as hub
from hub_server import HubServer

from grid.backend import Inspection
from grid.errors import InputError
from grid.models import hub as grid_hub
from grid.models.checkpoint import inspection as checkpoint
from grid.models.checksum import file_sha256
from grid.models.gguf import reader as gguf_reader
from grid.models.gguf.inspection import inspect as inspect_gguf
from grid.models.hub import header

FILE = "tiny-Q8_0.gguf"


def inspect_remote(text: str) -> Inspection:
    return grid_hub.inspect(weights_at(text), inspect_gguf)


def inspect_local(tmp_path: Path, name: str, content: bytes) -> Inspection:
    (tmp_path / name).write_bytes(content)
    return inspect_gguf(tmp_path / name)


def gguf_of(tokens: int, rows: int = 3) -> bytes:
    """A model with so many tokens in its header and so many rows of embeddings of 128 bytes."""
    entry = ("tokenizer.ggml.tokens", ARRAY, (STRING, [f"token {i}" for i in range(tokens)]))
    norm = rows * 128
    tensors = [("token_embd.weight", (64, rows), 1, 0), ("norm", (64,), 0, norm)]
    return gguf_file(small_entries(entry), tensors, norm + 256)


def test_a_remote_header_gives_the_inspection_of_the_whole_file(
    hub: HubServer, tmp_path: Path
) -> None:
    content = hub.repositories[REPO].files[FILE]
    remote, local = inspect_remote(f"hf:{REPO}/{FILE}"), inspect_local(tmp_path, FILE, content)
    assert remote.facts == local.facts
    assert remote.quant == local.quant
    assert remote.model.revision == local.model.revision
    assert remote.model.layers == local.model.layers


def test_a_remote_models_source_is_its_address_at_a_commit(hub: HubServer) -> None:
    commit = hub.repositories[REPO].commit
    assert inspect_remote(f"hf:{REPO}/Q8_0").model.source == f"hf:{REPO}/{FILE}@{commit}"


def test_inspecting_remote_weights_requests_no_tensors(hub: HubServer) -> None:
    content = gguf_of(tokens=10, rows=40_000)
    hub.add(REPO, {FILE: content})
    inspection = inspect_remote(f"hf:{REPO}/{FILE}")
    byte_count = sum(
        (request.stop or 0) - (request.start or 0) for request in hub.requests_for(FILE)
    )
    assert inspection.facts.bytes == len(content) > 2 * byte_count
    assert byte_count == header.FIRST_BYTES


def test_a_stand_in_takes_no_disk_space_for_tensors(hub: HubServer) -> None:
    hub.add(REPO, {FILE: gguf_of(tokens=10, rows=400_000)})
    path = grid_hub.stand_in(weights_at(f"hf:{REPO}/{FILE}"))
    assert path.stat().st_size > 50_000_000
    assert path.stat().st_blocks * 512 < 2 * header.FIRST_BYTES


def test_a_long_header_is_requested_to_its_end_and_no_byte_twice(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "FIRST_BYTES", 1000)
    content = gguf_of(tokens=5000)
    hub.add(REPO, {FILE: content})
    assert inspect_remote(f"hf:{REPO}/{FILE}").facts == inspect_local(tmp_path, FILE, content).facts
    ranges = [(request.start, request.stop) for request in hub.requests_for(FILE)]
    assert ranges == [(0, 1000), (1000, 4000), (4000, 16000), (16000, 64000), (64000, len(content))]


@pytest.mark.parametrize("first", range(24, 2000, 61))
def test_a_header_cut_anywhere_is_never_believed(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(header, "FIRST_BYTES", first)
    monkeypatch.setattr(header, "_GROWTH", 2)
    path = grid_hub.stand_in(weights_at(f"hf:{REPO}/{FILE}"))
    content = hub.repositories[REPO].files[FILE]
    (tmp_path / FILE).write_bytes(content)
    remote, local = gguf_reader.read_header(path), gguf_reader.read_header(tmp_path / FILE)
    assert remote._replace(path=local.path) == local


def test_a_stand_in_has_the_hash_of_the_remote_file(hub: HubServer) -> None:
    weights = weights_at(f"hf:{REPO}/{FILE}")
    assert file_sha256(grid_hub.stand_in(weights)) == weights.identity


def test_a_remote_header_is_requested_once(hub: HubServer) -> None:
    inspect_remote(f"hf:{REPO}/{FILE}")
    inspect_remote(f"hf:{REPO}/{FILE}")
    assert len(hub.requests_for(FILE)) == 1


def test_a_header_read_before_is_available_offline(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = inspect_remote(f"hf:{REPO}/{FILE}")
    go_offline(monkeypatch)
    assert inspect_remote(f"hf:{REPO}/{FILE}") == online


def test_a_commit_inspected_before_needs_no_request(hub: HubServer) -> None:
    online = inspect_remote(f"hf:{REPO}/{FILE}")
    before = len(hub.requests)
    assert inspect_remote(online.model.source) == online
    assert len(hub.requests) == before


def test_downloaded_weights_are_inspected_themselves(hub: HubServer) -> None:
    planned = inspect_remote(f"hf:{REPO}/{FILE}")
    path = grid_hub.fetch(grid_hub.find_weights(planned.model.source))
    paths: list[Path] = []

    def reader(path: Path) -> Inspection:
        paths.append(path)
        return inspect_gguf(path)

    assert grid_hub.inspect(weights_at(planned.model.source), reader) == planned
    assert paths == [path]


def test_remote_and_downloaded_weights_have_the_same_revision(hub: HubServer) -> None:
    planned = inspect_remote(f"hf:{REPO}/{FILE}")
    inspection = inspect_gguf(grid_hub.fetch(grid_hub.find_weights(planned.model.source)))
    assert inspection.model.revision == planned.model.revision
    assert inspection.facts == planned.facts


def test_an_address_with_a_commit_ignores_later_commits(hub: HubServer) -> None:
    weights = weights_at(f"hf:{REPO}/{FILE}")
    old = hub.repositories[REPO]
    hub.add(REPO, {FILE: gguf_file(data=6000)}, revisions={"main"})
    assert weights_at(f"hf:{REPO}/{FILE}").commit != weights.commit
    assert weights_at(str(weights.address)).commit == weights.commit == old.commit


def test_a_split_remote_gguf_is_one_model(hub: HubServer, tmp_path: Path) -> None:
    parts = split_model()
    hub.add(REPO, parts)
    for name, content in parts.items():
        (tmp_path / name).write_bytes(content)
    remote = inspect_remote(f"hf:{REPO}/Q8_0")
    local = inspect_gguf(tmp_path / min(parts))
    assert remote.facts == local.facts
    assert remote.model.revision == local.model.revision


def split_model() -> dict[str, bytes]:
    tensors = [
        [("token_embd.weight", (64, 3), 1, 0)],
        [("blk.0.attn_q.weight", (64, 64), 8, 0)],
    ]
    entries = [
        small_entries(("split.count", U32, 2), ("split.no", U32, index)) for index in range(2)
    ]
    return {
        f"x-Q8_0-0000{index + 1}-of-00002.gguf": gguf_file(entries[index], tensors[index], 4352)
        for index in range(2)
    }


def test_a_remote_checkpoint_is_inspected_from_headers_and_configuration(
    hub: HubServer, tmp_path: Path
) -> None:
    files = small_checkpoint()
    hub.add("owner/small", files)
    local = tmp_path / "small"
    local.mkdir()
    for name, content in files.items():
        (local / name).write_bytes(content)
    remote, downloaded = (
        grid_hub.inspect(weights_at("hf:owner/small"), checkpoint.inspect),
        checkpoint.inspect(local),
    )
    assert remote.facts == downloaded.facts
    assert remote.quant == downloaded.quant
    assert remote.model.name == downloaded.model.name == "small"
    assert remote.model.revision == downloaded.model.revision
    byte_count = sum(
        (request.stop or 0) - (request.start or 0)
        for request in hub.requests_for("model.safetensors")
    )
    assert byte_count == header.FIRST_BYTES < len(files["model.safetensors"])


def small_checkpoint() -> dict[str, bytes]:
    """The bundled small model, as somebody would put it on the hub."""
    from grid.models import bundled

    folder = bundled.size_dir("small")
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}


def test_a_long_safetensors_header_is_read_to_its_end(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "FIRST_BYTES", 100)
    content = safetensors_file({f"tensor {i}": ("F16", (8, 8)) for i in range(100)})
    hub.add("owner/long", {"config.json": b"{}", "model.safetensors": content})
    folder = grid_hub.stand_in(weights_at("hf:owner/long"))
    length = 8 + int.from_bytes(content[:8], "little")
    with (folder / "model.safetensors").open("rb") as file:
        assert file.read(length) == content[:length]


def test_a_remote_file_that_is_no_gguf_is_reported_by_its_address(hub: HubServer) -> None:
    hub.add(REPO, {"x.gguf": b"nothing of the kind" * 100})
    with pytest.raises(InputError) as caught:
        inspect_remote(f"hf:{REPO}/x.gguf")
    assert str(caught.value).startswith(f"hf:{REPO}/x.gguf: not a GGUF file")


def test_a_server_without_ranges_cannot_give_a_long_header(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "FIRST_BYTES", 100)
    hub.ignore_ranges = True
    with pytest.raises(InputError, match="sends no parts of files"):
        inspect_remote(f"hf:{REPO}/{FILE}")


def test_a_broken_header_download_leaves_no_stand_in(hub: HubServer, tmp_path: Path) -> None:
    hub.break_off(FILE, 100)
    with pytest.raises(InputError, match="cannot reach"):
        inspect_remote(f"hf:{REPO}/{FILE}")
    assert not list((tmp_path / "cache").rglob("*.gguf"))
    assert inspect_remote(f"hf:{REPO}/{FILE}").quant == "F16"


def test_a_generic_file_is_called_by_its_repository_before_and_after_the_download(
    hub: HubServer,
) -> None:
    odd = small_entries(("general.name", STRING, "Small 8k Lc100K Mix1 Ep2"))
    hub.add("owner/Small-1B-GGUF", {"model-Q8_0.gguf": gguf_file(odd)})
    remote = inspect_remote("hf:owner/Small-1B-GGUF")
    path = grid_hub.fetch(weights_at("hf:owner/Small-1B-GGUF"))
    assert (remote.model.name, inspect_gguf(path).model.name) == ("Small-1B", "Small-1B")

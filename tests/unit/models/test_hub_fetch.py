"""Downloads from a hub that breaks off, damages and refuses: what lies on the disk afterwards."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gguf_bytes import gguf_file
from hub_fixtures import REPO, go_offline, weights_at
from hub_fixtures import hub as hub
from hub_server import HubServer

from grid.errors import EngineError
from grid.models import hub as grid_hub
from grid.models.hub import local

CONTENT = gguf_file()
FILE = "tiny-Q8_0.gguf"
ADDRESS = f"hf:{REPO}/{FILE}"
CHECKPOINT = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": b"weights" * 100,
    "tokenizer.json": b"{}",
    "modeling_tiny.py": b"print('never')",
    "pytorch_model.bin": b"never",
}


def fetch_address(address: str) -> Path:
    return grid_hub.fetch(grid_hub.find_weights(address))


def test_a_downloaded_file_lies_in_the_users_cache_unchanged(
    hub: HubServer, tmp_path: Path
) -> None:
    path = fetch_address(ADDRESS)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "hub")


def test_huggingface_hub_finds_what_we_downloaded(hub: HubServer) -> None:
    from huggingface_hub import hf_hub_download

    path = fetch_address(ADDRESS)
    assert Path(hf_hub_download(REPO, FILE)) == path
    assert len(hub.requests_for(FILE)) == 1


def test_what_huggingface_hub_downloaded_is_not_downloaded_again(hub: HubServer) -> None:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(REPO, FILE))
    assert fetch_address(ADDRESS) == path
    assert len(hub.requests_for(FILE)) == 1


def test_a_downloaded_file_is_not_requested_again(hub: HubServer) -> None:
    fetch_address(ADDRESS)
    fetch_address(ADDRESS)
    assert len(hub.requests_for(FILE)) == 1


def test_a_broken_download_continues_where_it_broke(hub: HubServer) -> None:
    hub.break_off(FILE, 1000)
    assert fetch_address(ADDRESS).read_bytes() == CONTENT
    assert [request.start for request in hub.requests_for(FILE)] == [0, 1000]


def test_a_later_run_requests_only_the_missing_bytes(hub: HubServer) -> None:
    hub.break_off(FILE, 2000, 0, 0, 0, 0)
    with pytest.raises(EngineError, match="cannot reach"):
        fetch_address(ADDRESS)
    before = len(hub.requests_for(FILE))
    assert fetch_address(ADDRESS).read_bytes() == CONTENT
    assert [request.start for request in hub.requests_for(FILE)[before:]] == [2000]


def test_a_server_without_ranges_restarts_the_download(hub: HubServer) -> None:
    hub.ignore_ranges = True
    hub.break_off(FILE, 1000)
    assert fetch_address(ADDRESS).read_bytes() == CONTENT


def test_transient_server_errors_are_retried(hub: HubServer) -> None:
    weights = weights_at(ADDRESS)
    hub.statuses = [503, 503]
    assert grid_hub.fetch(weights).read_bytes() == CONTENT


def test_a_server_that_sends_nothing_ends_in_an_error(hub: HubServer) -> None:
    weights = weights_at(ADDRESS)
    hub.body = b""
    with pytest.raises(EngineError, match="sends nothing from byte 0 on"):
        grid_hub.fetch(weights)


def test_a_download_survives_any_number_of_breaks_as_long_as_bytes_come(hub: HubServer) -> None:
    hub.break_off(FILE, *[100] * 20)
    assert fetch_address(ADDRESS).read_bytes() == CONTENT
    assert [request.start for request in hub.requests_for(FILE)] == list(range(0, 2001, 100))


def test_two_concurrent_downloads_of_a_file_request_it_once(hub: HubServer) -> None:
    weights = weights_at(ADDRESS)
    hub.answering.clear()
    hub.request_came.clear()
    with ThreadPoolExecutor(2) as pool:
        downloads = [pool.submit(grid_hub.fetch, weights) for _ in range(2)]
        assert hub.request_came.wait(20)
        hub.answering.set()
        first, second = (download.result() for download in downloads)
    assert first == second
    assert len(hub.requests_for(FILE)) == 1


def test_download_progress_ends_at_the_files_size_after_restarts(hub: HubServer) -> None:
    hub.ignore_ranges = True
    hub.break_off(FILE, 1000, 3000)
    reports: list[tuple[int, int]] = []
    grid_hub.fetch(
        grid_hub.find_weights(ADDRESS), lambda done, total: reports.append((done, total))
    )
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert max(done for done, _ in reports) == len(CONTENT)


def test_a_damaged_download_is_detected_and_removed(hub: HubServer, tmp_path: Path) -> None:
    hub.corrupt.add(FILE)
    with pytest.raises(EngineError, match="hub lists") as caught:
        fetch_address(ADDRESS)
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "hub").rglob("blobs/*") if path.is_file()]


def test_a_download_after_a_damaged_one_succeeds(hub: HubServer) -> None:
    hub.corrupt.add(FILE)
    with pytest.raises(EngineError):
        fetch_address(ADDRESS)
    hub.corrupt.clear()
    assert fetch_address(ADDRESS).read_bytes() == CONTENT


@pytest.mark.parametrize("damaged", [bytes(len(CONTENT)), CONTENT[:-1], CONTENT + b"x"])
def test_content_damaged_in_the_cache_is_removed(hub: HubServer, damaged: bytes) -> None:
    path = fetch_address(ADDRESS)
    path.resolve().write_bytes(damaged)
    with pytest.raises(EngineError, match="run again"):
        fetch_address(ADDRESS)
    assert not path.exists()
    assert fetch_address(ADDRESS).read_bytes() == CONTENT


def test_a_small_file_is_checked_by_its_git_id(hub: HubServer) -> None:
    hub.add("owner/tiny", CHECKPOINT)
    hub.corrupt.add("config.json")
    with pytest.raises(EngineError, match=r"config\.json: the file's hash"):
        fetch_address("hf:owner/tiny")


def test_a_verified_file_is_not_read_again(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_address(ADDRESS)
    monkeypatch.setattr(hashlib, "file_digest", fail_if_read)
    assert fetch_address(ADDRESS).read_bytes() == CONTENT


def test_a_fetched_checkpoint_folder_holds_no_code(hub: HubServer) -> None:
    hub.add("owner/tiny", CHECKPOINT)
    folder = fetch_address("hf:owner/tiny")
    assert folder.name == "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: CHECKPOINT[name] for name in ("config.json", "model.safetensors", "tokenizer.json")
    }
    assert not hub.requests_for("modeling_tiny.py") + hub.requests_for("pytorch_model.bin")


def test_code_in_the_users_cache_is_not_in_a_fetched_folder(hub: HubServer) -> None:
    from huggingface_hub import hf_hub_download

    hub.add("owner/tiny", CHECKPOINT)
    for name in CHECKPOINT:
        hf_hub_download("owner/tiny", name)
    names = {path.name for path in fetch_address("hf:owner/tiny").iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json"}


def test_links_of_a_fetched_folder_are_renewed_after_the_cache_was_emptied(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.add("owner/tiny", CHECKPOINT)
    fetch_address("hf:owner/tiny")
    shutil.rmtree(tmp_path / "hub")
    folder = fetch_address("hf:owner/tiny")
    assert (folder / "config.json").read_bytes() == CHECKPOINT["config.json"]


def test_a_split_gguf_is_fetched_whole_and_returned_by_its_first_part(hub: HubServer) -> None:
    parts = {f"x-Q4_0-0000{i}-of-00003.gguf": bytes([i]) * 50 for i in (1, 2, 3)}
    hub.add("owner/split", parts)
    path = fetch_address("hf:owner/split/Q4_0")
    assert path.name == "x-Q4_0-00001-of-00003.gguf"
    assert {part.name: part.read_bytes() for part in path.parent.iterdir()} == parts


def test_a_full_disk_is_reported_before_the_download(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = weights_at(ADDRESS)
    monkeypatch.setattr(local, "SPARE_BYTES", 2**60)
    with pytest.raises(EngineError, match=r"no room to download: .* needed, .* free") as caught:
        grid_hub.fetch(weights)
    assert "HF_HOME" in str(caught.value)
    assert not hub.requests_for(FILE)


def test_offline_fetch_uses_the_cache(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch_address(ADDRESS)
    before = len(hub.requests)
    go_offline(monkeypatch)
    assert fetch_address(ADDRESS) == path
    assert len(hub.requests) == before


def test_offline_fetch_uses_what_other_programs_downloaded(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(REPO, FILE))
    go_offline(monkeypatch)
    assert fetch_address(ADDRESS) == path


def test_a_token_is_not_sent_where_the_hub_redirects(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", HubServer.member)
    hub.repositories[REPO].gated = True
    with HubServer() as elsewhere:
        elsewhere.add(REPO, hub.repositories[REPO].files)
        hub.cdn = elsewhere
        assert fetch_address(ADDRESS).read_bytes() == CONTENT
        assert {request.token for request in elsewhere.requests} == {""}
    assert {request.token for request in hub.requests} == {HubServer.member}


def test_files_beyond_the_plain_download_limit_need_xet(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", 100)
    with pytest.raises(EngineError, match="install hf-xet"):
        fetch_address(ADDRESS)


def test_an_unwritable_cache_is_reported(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "hub").write_bytes(b"a file where the folder should be")
    with pytest.raises(EngineError, match="HF_HOME"):
        fetch_address(ADDRESS)


def test_huggingface_hub_prints_nothing_of_its_own(
    hub: HubServer, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.break_off(FILE, 1000)
    fetch_address(ADDRESS)
    assert capfd.readouterr() == ("", "")


def fail_if_read(*arguments: object) -> None:
    raise AssertionError("the file was read again")


def test_a_download_takes_the_lock_of_huggingface_hub(hub: HubServer, tmp_path: Path) -> None:
    fetch_address(ADDRESS)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "hub/.locks/models--owner--tiny-GGUF" / f"{digest}.lock").exists()

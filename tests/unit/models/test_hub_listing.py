"""What the hub says is in a repository."""

from __future__ import annotations

import hashlib

import pytest
from gguf_bytes import gguf_file
from hub_fixtures import REPO, go_offline
from hub_fixtures import hub as hub
from hub_server import HubServer, git_id

from grid.models import hub as grid_hub
from grid.models.hub import Address, RemoteFile

FILE = "tiny-Q8_0.gguf"


def test_a_listing_has_the_size_and_hash_of_each_file(hub: HubServer) -> None:
    content = gguf_file()
    assert grid_hub.list_files(Address(REPO)).files == (
        RemoteFile("README.md", 6, None, git_id(b"# tiny")),
        RemoteFile(FILE, len(content), hashlib.sha256(content).hexdigest(), git_id(content)),
    )


def test_a_branch_is_resolved_to_a_commit(hub: HubServer) -> None:
    repository = hub.add(REPO, {FILE: gguf_file()}, revisions={"main", "refs/pr/1"})
    assert grid_hub.list_files(Address(REPO, None, "refs/pr/1")).commit == repository.commit


def test_a_listing_is_one_request(hub: HubServer) -> None:
    grid_hub.list_files(Address(REPO))
    assert len(hub.requests) == 1


def test_a_branch_is_listed_anew_each_time(hub: HubServer) -> None:
    old = grid_hub.list_files(Address(REPO))
    hub.add(REPO, {FILE: gguf_file(data=6000)})
    assert grid_hub.list_files(Address(REPO)).commit != old.commit


def test_a_commit_is_listed_once(hub: HubServer) -> None:
    commit = grid_hub.list_files(Address(REPO)).commit
    assert grid_hub.list_files(Address(REPO, None, commit)).commit == commit
    assert len(hub.requests) == 1


def test_a_bare_name_is_a_repository_too(hub: HubServer) -> None:
    hub.add("gpt2", {"config.json": b"{}"})
    assert grid_hub.list_files(Address("gpt2")).files[0].path == "config.json"


def test_listed_paths_out_of_the_folder_are_left_out(hub: HubServer) -> None:
    hub.add("owner/evil", {"../../x.gguf": b"", "/etc/y.gguf": b"", "a\\b.gguf": b"", "z": b""})
    assert [file.path for file in grid_hub.list_files(Address("owner/evil")).files] == ["z"]


def test_offline_the_last_listing_is_used(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    online = grid_hub.list_files(Address(REPO))
    go_offline(monkeypatch)
    assert grid_hub.list_files(Address(REPO)) == online


def test_offline_a_cache_without_links_is_listed_by_content(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, hf_hub_download

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    hf_hub_download(REPO, FILE)
    go_offline(monkeypatch)
    (file,) = grid_hub.list_files(Address(REPO)).files
    assert file.sha256 == hashlib.sha256(gguf_file()).hexdigest()


def test_offline_files_of_other_programs_are_listed(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import hf_hub_download

    for name in ("README.md", FILE):
        hf_hub_download(REPO, name)
    go_offline(monkeypatch)
    listing = grid_hub.list_files(Address(REPO))
    assert listing.commit == hub.repositories[REPO].commit
    assert [(file.path, file.etag) for file in listing.files] == [
        ("README.md", git_id(b"# tiny")),
        (FILE, hashlib.sha256(gguf_file()).hexdigest()),
    ]

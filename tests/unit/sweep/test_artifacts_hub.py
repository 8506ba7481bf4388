"""Weights of a hub on several nodes: one downloads them, the others take them from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from artifacts_helpers import Faults, LocalPeers
from gguf_bytes import gguf_file
from hub_fixtures import REPO
from hub_fixtures import hub as hub
from hub_server import HubServer
from plan_helpers import NODE

from grid.errors import EngineError
from grid.models import hub as grid_hub
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.model import Model
from grid.sweep.artifacts import downloads
from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.eviction import evictable_items
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.events import Prepared, Settings

FILE = "tiny-Q8_0.gguf"
SETTINGS = Settings(cell_timeout_s=30)


class Grid:
    """Nodes with a cache of ours and a cache of the hub each."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.caches = {name: top / f"cache-{name}" for name in ("a", "b")}
        self._directory, self._patch = Directory(), monkeypatch

    def store(self, name: str, *, alone: bool = False) -> ArtifactStore:
        from huggingface_hub import constants

        self._patch.setenv("QUANTGRID_CACHE", str(self.caches[name]))
        self._patch.setattr(constants, "HF_HUB_CACHE", str(self.caches[name] / "hf"))
        peers = LocalPeers(self._directory, name, self.caches, Faults())
        return ArtifactStore(NODE, SETTINGS, None if alone else peers)


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Grid:
    monkeypatch.setattr("grid.sweep.artifacts.remote_weights.WORTH_BYTES", 1)
    return Grid(tmp_path, monkeypatch)


@pytest.fixture
def artifact(hub: HubServer) -> Artifact:
    (weights,) = grid_hub.select(grid_hub.list_files(grid_hub.parse(f"hf:{REPO}")), FILE)
    model = Model(
        name="tiny",
        family="tiny",
        source=str(weights.address),
        revision=weights.revision,
        architecture="llama",
        parameters=1,
        context_length=1,
        vocabulary=1,
    )
    facts = ArtifactFacts(
        bytes=len(gguf_file()), sha256=weights.identity, bpw_file=8, bpw_layer=8, elements=1
    )
    return Artifact(model=model, format="gguf", quant="Q8_0", facts=facts)


def obtained(store: ArtifactStore, artifact: Artifact) -> list[str]:
    events = list(store.artifact(artifact))
    assert store.path(artifact).read_bytes() == gguf_file()
    store.close()
    return [event.label for event in events if isinstance(event, Prepared)]


def test_one_node_downloads_weights_and_the_other_takes_them_from_it(
    hub: HubServer, nodes: Grid, artifact: Artifact
) -> None:
    assert obtained(nodes.store("a"), artifact) == ["tiny Q8_0"]
    assert obtained(nodes.store("b"), artifact) == ["tiny Q8_0 from a"]
    assert len(hub.requests_for(FILE)) == 1


def test_weights_from_a_peer_are_present_next_time(
    hub: HubServer, nodes: Grid, artifact: Artifact
) -> None:
    obtained(nodes.store("a"), artifact)
    obtained(nodes.store("b"), artifact)
    assert obtained(nodes.store("b", alone=True), artifact) == []
    assert len(hub.requests_for(FILE)) == 1


def test_the_users_own_downloads_are_given_to_peers(
    hub: HubServer, nodes: Grid, artifact: Artifact
) -> None:
    nodes.store("a").close()
    grid_hub.fetch(grid_hub.find_weights(artifact.model.source))
    assert obtained(nodes.store("a"), artifact) == []
    assert evictable_items() == []
    assert obtained(nodes.store("b"), artifact) == ["tiny Q8_0 from a"]


def test_small_weights_each_node_downloads_for_itself(
    hub: HubServer, nodes: Grid, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grid.sweep.artifacts.remote_weights.WORTH_BYTES", downloads.WORTH_BYTES)
    assert obtained(nodes.store("a"), artifact) == ["tiny Q8_0"]
    assert obtained(nodes.store("b"), artifact) == ["tiny Q8_0"]
    assert len(hub.requests_for(FILE)) == 2


def test_a_download_can_be_evicted_and_fetched_again(
    hub: HubServer, nodes: Grid, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grid.sweep.artifacts.eviction import make_room

    obtained(nodes.store("a"), artifact)
    (item,) = evictable_items()
    assert item.bytes >= len(gguf_file())
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", f"{item.bytes} B")
    assert make_room(1, "x") == [f"artifact/{artifact.id}"]
    monkeypatch.delenv("QUANTGRID_CACHE_LIMIT")
    assert obtained(nodes.store("a", alone=True), artifact) == ["tiny Q8_0"]
    assert len(hub.requests_for(FILE)) == 2


def test_a_download_that_fits_nowhere_is_one_line(
    hub: HubServer, nodes: Grid, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", "1KiB")
    with pytest.raises(EngineError, match="no room for a download of tiny Q8_0") as caught:
        list(nodes.store("a").artifact(artifact))
    assert "\n" not in str(caught.value)
    assert hub.requests_for(FILE) == []

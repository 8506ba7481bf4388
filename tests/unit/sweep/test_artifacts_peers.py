"""Two nodes with caches of their own: what one has or makes, the other takes."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from artifacts_helpers import Faults, LocalPeers, largest_file, on_node
from plan_helpers import NODE, plan_of

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement
from grid.errors import EngineError, InputError
from grid.models.artifact import Artifact
from grid.models.checksum import file_sha256
from grid.plan.plan import Plan
from grid.sweep.artifacts import transfer
from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.inputs import cached_artifact, offer_inputs
from grid.sweep.artifacts.manifest import FileEntry, Manifest, named_files
from grid.sweep.artifacts.offers import offer, standing_offers
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.events import (
    CellDone,
    CellStarted,
    Event,
    Observed,
    Prepared,
    Preparing,
    Settings,
)
from grid.sweep.executors.worker import Worker

QUALITY = """
measures = ["quality"]
quants = ["F16", "Q4"]
[[models]]
source = "x.fake"
[quality]
text = "t.txt"
context = 64
chunks = 4
"""
TASKS = """
measures = ["tasks"]
quants = ["Q4"]
[[models]]
source = "x.fake"
[tasks]
source = "items"
"""
SETTINGS = Settings(cell_timeout_s=30)


class Grid:
    """Nodes `a` (the driver's) and `b`."""

    def __init__(self, top: Path) -> None:
        self.directory = Directory()
        self.faults = Faults()
        self.caches = {name: top / f"cache-{name}" for name in ("a", "b")}

    def peers(self, name: str) -> LocalPeers:
        return LocalPeers(self.directory, name, self.caches, self.faults)

    def run(self, name: str, plan: Plan) -> list[Event]:
        return list(self.running(name, plan))

    def running(self, name: str, plan: Plan) -> Iterator[Event]:
        with on_node(self.caches[name]):
            worker = Worker(NODE, SETTINGS, self.peers(name))
            try:
                for session in plan.sessions:
                    yield from worker.run(session)
            finally:
                worker.close()

    def offer_inputs(self, plan: Plan) -> None:
        """As the driver does on its node."""
        with on_node(self.caches["a"]):
            offer_inputs(plan.cells, SETTINGS)
            self.directory.enlist("a", {offer.key: offer.manifest for offer in standing_offers()})


@pytest.fixture
def nodes(tmp_path: Path) -> Grid:
    return Grid(tmp_path)


def measured(events: list[Event]) -> dict[str, Measurement]:
    return {e.measurement.cell_id: e.measurement for e in events if isinstance(e, CellDone)}


def statuses(events: list[Event]) -> set[str]:
    return {
        f"{measurement.status} {measurement.reason}".strip()
        for measurement in measured(events).values()
    }


def prepared(events: list[Event]) -> Counter[str]:
    return Counter(event.what for event in events if isinstance(event, Prepared))


def quantized(plan: Plan) -> Cell:
    return next(cell for cell in plan.cells if cell.artifact.quant == "Q4")


def users_own_artifact(plan: Plan) -> Artifact:
    return next(cell.artifact for cell in plan.cells if cell.artifact.path is not None)


def test_the_second_node_fetches_what_the_first_has_made(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    first, second = nodes.run("a", plan), nodes.run("b", plan)
    assert prepared(first) == {"quantize": 1, "reference": 1}
    assert prepared(second) == {"fetch": 2}
    labels = {event.label for event in second if isinstance(event, Prepared)}
    assert all(label.endswith(" from a") for label in labels)
    assert statuses(second) == {"ok"}
    for cell_id, measurement in measured(first).items():
        assert measured(second)[cell_id].series == measurement.series


def test_a_copy_is_fetched_once(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.run("a", plan)
    nodes.run("b", plan)
    assert prepared(nodes.run("b", plan)) == {}


def test_of_two_nodes_with_differing_bytes_the_first_announced_win(
    nodes: Grid, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    with on_node(nodes.caches["b"]):
        item = cached_artifact(quantized(plan).artifact)
    for name in ("a", "b"):  # each by itself, as in sweeps of their own
        Grid.run(Grid(tmp_path), name, plan)
    item.path.write_bytes(item.path.read_bytes().replace(b'"padding":"0', b'"padding":"1'))
    nodes.run("a", plan)
    observed = {e.artifact_id: e.facts for e in nodes.run("b", plan) if isinstance(e, Observed)}
    with on_node(nodes.caches["a"]):
        first = cached_artifact(quantized(plan).artifact)
    assert item.path.read_bytes() == first.path.read_bytes()
    assert observed[quantized(plan).artifact.id].sha256 == file_sha256(first.path)


def test_a_node_makes_what_no_peer_gives(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.run("a", plan)
    nodes.faults.dies_after["a"] = 0
    events = nodes.run("b", plan)
    assert prepared(events) == {"quantize": 1, "reference": 1}
    assert statuses(events) == {"ok"}


def test_a_failed_maker_leaves_the_making_to_the_next(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY.replace('"Q4"', '"BROKEN"'))
    for name in ("a", "b"):
        assert any("BROKEN" in text for text in statuses(nodes.run(name, plan)))
    assert nodes.directory.claim("b", f"artifact/{plan.cells[-1].artifact.id}").make


def test_a_node_waits_for_the_maker_and_then_fetches(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    key = f"artifact/{quantized(plan).artifact.id}"
    nodes.run("a", plan)
    manifest = nodes.directory.claim("b", key).manifest
    assert manifest is not None
    nodes.directory.missing("a", key)
    assert nodes.directory.claim("a", key).make
    waiting_for: list[str] = []
    events = nodes.running("b", plan)
    for event in events:
        if isinstance(event, Preparing) and event.line == "waits for a, which makes it":
            waiting_for.append(event.label)
            nodes.directory.announce("a", key, manifest)
            break
    assert waiting_for == [quantized(plan).artifact.label]
    taken = {event.label for event in events if isinstance(event, Prepared)}
    assert f"{quantized(plan).artifact.label} from a" in taken


def test_a_users_own_file_reaches_a_node_that_lacks_it(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.offer_inputs(plan)
    own = next(cell.artifact for cell in plan.cells if cell.artifact.path is not None)
    elsewhere = tmp_path / "seen-by-a-only.fake"
    Path(str(own.path)).rename(elsewhere)
    with on_node(nodes.caches["a"]):
        item = cached_artifact(own)
        offer(item.key, named_files(elsewhere, item.main))
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events) == {"fetch": 1, "quantize": 1, "reference": 1}


def test_another_file_under_the_same_path_is_not_taken_for_it(nodes: Grid, tmp_path: Path) -> None:
    import grid_fake

    plan = plan_of(tmp_path, QUALITY)
    nodes.offer_inputs(plan)
    own = users_own_artifact(plan)
    assert own.facts is not None
    path = Path(str(own.path))
    path.rename(tmp_path / "seen-by-a-only.fake")
    with on_node(nodes.caches["a"]):
        item = cached_artifact(own)
        offer(item.key, named_files(tmp_path / "seen-by-a-only.fake", item.main))
    grid_fake.write(path, seed=7)
    replacement = path.read_bytes()
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events)["fetch"] == 1
    assert path.read_bytes() == replacement
    for _ in range(2):  # in another worker too, and in its next session
        with on_node(nodes.caches["b"]):
            store = ArtifactStore(NODE, SETTINGS, nodes.peers("b"))
            for _ in range(2):
                list(store.artifact(own))
                assert file_sha256(store.path(own)) == own.facts.sha256
                store.end_session()
            store.close()
    assert set(nodes.directory.claim("c", item.key).holders) == {"a", "b"}


def test_a_file_that_changed_since_the_plan_is_offered_to_nobody(
    nodes: Grid, tmp_path: Path
) -> None:
    import grid_fake

    plan = plan_of(tmp_path, QUALITY)
    grid_fake.write(Path(str(users_own_artifact(plan).path)), seed=7)
    with pytest.raises(InputError, match="changed since the plan was made"):
        nodes.offer_inputs(plan)
    assert not (nodes.caches["a"] / "offers").exists()


@pytest.mark.parametrize(
    "offered",
    [
        FileEntry("weights.fake", 3, "1" * 64),  # another content
        FileEntry("../weights.fake", 3, "1" * 64),  # a name that is refused
    ],
)
def test_a_wrong_offer_of_a_peer_is_refused_and_forgotten(
    nodes: Grid, tmp_path: Path, offered: FileEntry
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    key = cached_artifact(users_own_artifact(plan)).key
    nodes.directory.announce("z", key, Manifest((offered,)))
    Path(str(users_own_artifact(plan).path)).rename(tmp_path / "seen-by-a-only.fake")
    (reason,) = statuses(nodes.run("b", plan))
    assert "no other node has it as it was" in reason
    assert nodes.directory.claim("c", key).holders == ()


def test_an_artifact_whose_offer_is_refused_is_made_here(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    key = cached_artifact(quantized(plan).artifact).key
    nodes.directory.announce("z", key, Manifest((FileEntry(".hidden", 3, "1" * 64),)))
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events) == {"quantize": 1, "reference": 1}
    assert nodes.directory.claim("c", key).holders == ("b",)


def test_an_artifact_of_a_peer_that_measures_for_long_is_made_here(
    nodes: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.run("a", plan)
    monkeypatch.setattr(transfer, "BUSY_S", 0.01)
    nodes.faults.busy["a"] = 10**9
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events) == {"quantize": 1, "reference": 1}
    key = cached_artifact(quantized(plan).artifact).key
    assert set(nodes.directory.claim("c", key).holders) == {"a", "b"}


def test_an_artifact_that_cannot_be_offered_is_used_nevertheless(
    nodes: Grid, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.caches["a"].mkdir()
    (nodes.caches["a"] / "offers").write_text("no folder")
    assert statuses(nodes.run("a", plan)) == {"ok"}
    assert prepared(nodes.run("b", plan)) == {"quantize": 1, "reference": 1}


def test_a_cache_that_takes_no_file_is_one_line(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.caches["a"].mkdir()
    (nodes.caches["a"] / "locks").write_text("no folder")
    reasons = statuses(nodes.run("a", plan))
    assert any(
        f"the cache {nodes.caches['a']} takes no file" in reason
        and reason.endswith("make room, or set QUANTGRID_CACHE")
        for reason in reasons
    )
    assert not any("\n" in reason for reason in reasons)


def test_an_evicted_copy_of_a_text_is_fetched_again(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.offer_inputs(plan)
    (tmp_path / "t.txt").unlink()
    cell = plan.cells[0]
    with on_node(nodes.caches["b"]):
        store = ArtifactStore(NODE, SETTINGS, nodes.peers("b"))
        first = prepared(list(store.localised(cell)))
        store.end_session()
        shutil.rmtree(nodes.caches["b"] / "texts")
        second = prepared(list(store.localised(cell)))
        store.close()
    assert first == second == {"fetch": 1}


@pytest.mark.parametrize("present_text", [None, "another text " * 400])
def test_a_text_reaches_a_node_that_has_none_or_another(
    nodes: Grid, tmp_path: Path, present_text: str | None
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    alone = nodes.run("a", plan)
    nodes.offer_inputs(plan)
    (tmp_path / "t.txt").unlink()
    if present_text is not None:
        (tmp_path / "t.txt").write_text(present_text)
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    for cell_id, measurement in measured(alone).items():
        assert measured(events)[cell_id].series == measurement.series


def test_task_items_reach_a_node_that_has_none(nodes: Grid, tmp_path: Path) -> None:
    items = tmp_path / "items"
    items.mkdir()
    line = {"id": "1", "kind": "choice", "context": "a b", "choices": [" c", " d"], "answer": 0}
    (items / "toy.jsonl").write_bytes(b"\n" + msgspec.json.encode(line) + b"\n\n")
    plan = plan_of(tmp_path, TASKS)
    nodes.offer_inputs(plan)
    (items / "toy.jsonl").unlink()
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert {len(measurement.items) for measurement in measured(events).values()} == {1}


def test_a_text_that_nobody_has_is_one_line_in_each_row(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    (tmp_path / "t.txt").unlink()
    (reason,) = statuses(nodes.run("b", plan))
    assert reason == (
        f"error {tmp_path / 't.txt'} is gone since the plan was made, and no other node has it as "
        "it was"
    )


def test_a_missing_file_of_the_user_is_named_by_its_path(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    path = Path(str(users_own_artifact(plan).path))
    path.unlink()
    with on_node(nodes.caches["a"]):
        store = ArtifactStore(NODE, SETTINGS)
        with pytest.raises(EngineError, match=r"is gone since the plan was made$") as caught:
            list(store.artifact(users_own_artifact(plan)))
        store.close()
    assert str(caught.value).startswith(f"{path} is gone")


def test_peers_are_given_nothing_while_speed_is_measured(nodes: Grid, tmp_path: Path) -> None:
    sweep_file = QUALITY.replace('["quality"]', '["speed", "quality"]').replace('"F16", ', "")
    plan = plan_of(
        tmp_path, sweep_file + "[speed]\nprompt = [8]\ngenerate = [8]\nrepetitions = 1\n"
    )
    session = next(
        session_of_plan
        for session_of_plan in plan.sessions
        if session_of_plan.artifact.quant == "Q4"
    )
    assert [cell.exclusive for cell in session.cells] == [True, True, False]
    peers = nodes.peers("a")
    paused: list[bool] = []
    starts: list[float] = []
    with on_node(nodes.caches["a"]):
        worker = Worker(NODE, SETTINGS, peers)
        for event in worker.run(session):
            if isinstance(event, CellStarted):
                starts.extend(peers.pauses[-1:])
            elif isinstance(event, CellDone):
                paused.append(peers.pauses[-1] > SETTINGS.cell_timeout_s)
        worker.close()
    assert paused == [True, True, False]
    assert starts[-1] == 0.0  # before its reference, which may be a peer's, is asked for
    assert len(peers.pauses) == 2


def test_two_workers_of_one_node_make_one_artifact_once(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    events: list[Event] = []

    def run() -> None:
        worker = Worker(NODE, SETTINGS)
        for session in plan.sessions:
            events.extend(worker.run(session))
        worker.close()

    with on_node(nodes.caches["a"]):
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert prepared(events) == {"quantize": 1, "reference": 1}
    assert statuses(events) == {"ok"}


def test_a_full_cache_is_a_row_with_what_to_set(
    nodes: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.run("a", plan)
    monkeypatch.setenv("QUANTGRID_CACHE_LIMIT", "1KiB")
    reasons = statuses(nodes.run("b", plan))
    assert all("no room for a copy of" in reason for reason in reasons)
    assert all("QUANTGRID_CACHE_LIMIT" in reason for reason in reasons)
    assert not (nodes.caches["b"] / "incoming").exists()


def test_a_disk_that_fills_up_leaves_no_half_made_artifact(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    with on_node(nodes.caches["a"]):
        path = cached_artifact(quantized(plan).artifact).path
    with largest_file(20_000):
        reasons = statuses(nodes.run("a", plan))
    assert any("File too large" in reason for reason in reasons)
    assert not path.exists()
    assert statuses(nodes.run("a", plan)) == {"ok"}

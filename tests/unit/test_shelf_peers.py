"""Two nodes with caches of their own: what one has or makes, the other takes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from peers_helpers import Faults, HerePeers, largest_file, on_node
from plan_helpers import NODE, plan_of

from grid.cell import Cell
from grid.formats.checksum import file_sha256
from grid.measurement import Measurement
from grid.plan.plan import Plan
from grid.schedule.directory import Directory
from grid.schedule.events import CellDone, Event, Observed, Prepared, Preparing, Settings
from grid.schedule.inputs import artifact_thing, offer_inputs
from grid.schedule.manifest import named_files
from grid.schedule.offers import offer, offers
from grid.schedule.worker import Worker

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

    def peers(self, name: str) -> HerePeers:
        return HerePeers(self.directory, name, self.caches, self.faults)

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
            self.directory.enlist("a", {one.key: one.manifest for one in offers()})


@pytest.fixture
def nodes(tmp_path: Path) -> Grid:
    return Grid(tmp_path)


def measured(events: list[Event]) -> dict[str, Measurement]:
    return {e.measurement.cell_id: e.measurement for e in events if isinstance(e, CellDone)}


def statuses(events: list[Event]) -> set[str]:
    return {f"{one.status} {one.reason}".strip() for one in measured(events).values()}


def prepared(events: list[Event]) -> Counter[str]:
    return Counter(event.what for event in events if isinstance(event, Prepared))


def quantized(plan: Plan) -> Cell:
    return next(cell for cell in plan.cells if cell.artifact.quant == "Q4")


def test_the_second_node_takes_what_the_first_has_made(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    first, second = nodes.run("a", plan), nodes.run("b", plan)
    assert prepared(first) == {"quantize": 1, "reference": 1}
    assert prepared(second) == {"fetch": 2}
    labels = {event.label for event in second if isinstance(event, Prepared)}
    assert all(label.endswith(" from a") for label in labels)
    assert statuses(second) == {"ok"}
    for cell_id, one in measured(first).items():
        assert measured(second)[cell_id].series == one.series


def test_a_copy_is_taken_once(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.run("a", plan)
    nodes.run("b", plan)
    assert prepared(nodes.run("b", plan)) == {}


def test_where_two_nodes_have_made_differing_bytes_the_first_ones_win(
    nodes: Grid, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    with on_node(nodes.caches["b"]):
        thing = artifact_thing(quantized(plan).artifact)
    for name in ("a", "b"):  # each by itself, as in sweeps of their own
        Grid.run(Grid(tmp_path), name, plan)
    thing.path.write_bytes(thing.path.read_bytes().replace(b'"padding":"0', b'"padding":"1'))
    nodes.run("a", plan)
    seen = {e.artifact_id: e.facts for e in nodes.run("b", plan) if isinstance(e, Observed)}
    with on_node(nodes.caches["a"]):
        there = artifact_thing(quantized(plan).artifact)
    assert thing.path.read_bytes() == there.path.read_bytes()
    assert seen[quantized(plan).artifact.id].sha256 == file_sha256(there.path)


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


def test_who_wants_what_another_makes_waits_and_then_takes_it(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    key = f"artifact/{quantized(plan).artifact.id}"
    nodes.run("a", plan)
    made = nodes.directory.claim("b", key).manifest
    assert made is not None
    nodes.directory.missing("a", key)
    assert nodes.directory.claim("a", key).make
    told: list[str] = []
    events = nodes.running("b", plan)
    for event in events:
        if isinstance(event, Preparing) and event.line == "waits for a, which makes it":
            told.append(event.label)
            nodes.directory.announce("a", key, made)
            break
    assert told == [quantized(plan).artifact.label]
    taken = {event.label for event in events if isinstance(event, Prepared)}
    assert f"{quantized(plan).artifact.label} from a" in taken


def test_a_user_s_own_file_reaches_a_node_that_lacks_it(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    nodes.offer_inputs(plan)
    own = next(cell.artifact for cell in plan.cells if cell.artifact.path is not None)
    elsewhere = tmp_path / "seen-by-a-only.fake"
    Path(str(own.path)).rename(elsewhere)
    with on_node(nodes.caches["a"]):
        thing = artifact_thing(own)
        offer(thing.key, named_files(elsewhere, thing.main))
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events) == {"fetch": 1, "quantize": 1, "reference": 1}


def test_another_file_under_the_same_path_is_not_taken_for_it(nodes: Grid, tmp_path: Path) -> None:
    import grid_fake

    plan = plan_of(tmp_path, QUALITY)
    nodes.offer_inputs(plan)
    own = next(cell.artifact for cell in plan.cells if cell.artifact.path is not None)
    path = Path(str(own.path))
    path.rename(tmp_path / "seen-by-a-only.fake")
    with on_node(nodes.caches["a"]):
        thing = artifact_thing(own)
        offer(thing.key, named_files(tmp_path / "seen-by-a-only.fake", thing.main))
    grid_fake.write(path, seed=7)
    other = path.read_bytes()
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    assert prepared(events)["fetch"] == 1
    assert path.read_bytes() == other


@pytest.mark.parametrize("there", [None, "another text " * 400])
def test_a_text_reaches_a_node_that_has_none_or_another(
    nodes: Grid, tmp_path: Path, there: str | None
) -> None:
    plan = plan_of(tmp_path, QUALITY)
    alone = nodes.run("a", plan)
    nodes.offer_inputs(plan)
    (tmp_path / "t.txt").unlink()
    if there is not None:
        (tmp_path / "t.txt").write_text(there)
    events = nodes.run("b", plan)
    assert statuses(events) == {"ok"}
    for cell_id, one in measured(alone).items():
        assert measured(events)[cell_id].series == one.series


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
    assert {len(one.items) for one in measured(events).values()} == {1}


def test_what_nobody_has_is_one_line_in_each_row(nodes: Grid, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    (tmp_path / "t.txt").unlink()
    (reason,) = statuses(nodes.run("b", plan))
    assert reason.startswith("error text ")
    assert "is not there as it was when the plan was made, here or on another node" in reason


def test_peers_are_given_nothing_while_speed_is_measured(nodes: Grid, tmp_path: Path) -> None:
    both = QUALITY.replace('["quality"]', '["speed", "quality"]').replace('"F16", ', "")
    plan = plan_of(tmp_path, both + "[speed]\nprompt = [8]\ngenerate = [8]\nrepetitions = 1\n")
    session = next(one for one in plan.sessions if one.artifact.quant == "Q4")
    assert [cell.exclusive for cell in session.cells] == [True, True, False]
    peers = nodes.peers("a")
    quiet: list[bool] = []
    with on_node(nodes.caches["a"]):
        worker = Worker(NODE, SETTINGS, peers)
        done = (event for event in worker.run(session) if isinstance(event, CellDone))
        quiet.extend(peers.quieted[-1] > SETTINGS.cell_timeout_s for _ in done)
        worker.close()
    assert quiet == [True, True, False]
    assert len(peers.quieted) == 2


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
        made = artifact_thing(quantized(plan).artifact).path
    with largest_file(20_000):
        reasons = statuses(nodes.run("a", plan))
    assert any("File too large" in reason for reason in reasons)
    assert not made.exists()
    assert statuses(nodes.run("a", plan)) == {"ok"}

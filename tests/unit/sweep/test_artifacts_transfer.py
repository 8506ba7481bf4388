"""Files from peers: resumed, checked, from whoever has them, and nowhere but where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest
from artifacts_helpers import CHUNK, Faults, LocalPeers, largest_file, manifest_at, on_node

from grid.errors import EngineError
from grid.sweep.artifacts import transfer
from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.manifest import FileEntry, Manifest, named_files
from grid.sweep.artifacts.offers import offer
from grid.sweep.artifacts.transfer import AllBusy, NoPeer, fetch

KEY = "artifact/1"
CONTENT = bytes(range(256)) * 40  # 10,240 bytes: 11 chunks


class Grid:
    """Nodes `a` and `b` have a folder of two files, `me` wants it."""

    def __init__(self, top: Path) -> None:
        self.faults = Faults()
        self.caches = {name: top / name for name in ("a", "b", "me")}
        self.directory = Directory()
        for name in ("a", "b"):
            folder = self.caches[name] / "weights.x"
            (folder / "sub").mkdir(parents=True)
            (folder / "big").write_bytes(CONTENT)
            (folder / "sub" / "small").write_bytes(b"small")
            with on_node(self.caches[name]):
                self.manifest = offer(KEY, named_files(folder, "weights.x"))
            self.directory.announce(name, KEY, self.manifest)
        self.stage = self.caches["me"] / "incoming" / "1"
        self.peers = LocalPeers(self.directory, "me", self.caches, self.faults)
        self.lines: list[str] = []

    def fetch(self, *holders: str, manifest: Manifest | None = None) -> str:
        wanted = manifest or self.manifest
        with on_node(self.caches["me"]):
            return fetch(
                self.peers, KEY, holders, wanted, "weights.x", self.stage, self.lines.append
            )

    @property
    def arrived(self) -> bool:
        folder = self.stage / "files" / "weights.x"
        return folder.exists() and manifest_at(folder, "weights.x") == self.manifest


@pytest.fixture
def nodes(tmp_path: Path) -> Grid:
    return Grid(tmp_path)


def test_a_folder_arrives_whole(nodes: Grid) -> None:
    assert nodes.fetch("a") == "a"
    assert nodes.arrived
    assert nodes.lines[-1] == "10 KiB of 10 KiB from a"


def test_a_broken_transfer_resumes_where_it_stopped(nodes: Grid) -> None:
    nodes.faults.dies_after["a"] = 4 * CHUNK
    with pytest.raises(NoPeer, match="a: it died"):
        nodes.fetch("a")
    nodes.peers.reads.clear()
    assert nodes.fetch("b") == "b"
    assert nodes.peers.reads[0] == ("b", 4 * CHUNK)
    assert nodes.arrived


def test_the_next_holder_goes_on_where_a_dead_one_stopped(nodes: Grid) -> None:
    nodes.faults.dies_after["a"] = 7 * CHUNK
    assert nodes.fetch("a", "b") == "b"
    assert nodes.peers.reads[:2] == [("a", 0), ("b", 7 * CHUNK)]
    assert nodes.arrived
    assert nodes.directory.claim("me", KEY).holders == ("b",)


def test_a_partial_copy_of_another_manifest_is_not_mixed_in(nodes: Grid) -> None:
    old = Manifest(tuple(FileEntry(f.name, f.size, "0" * 64) for f in nodes.manifest.files))
    nodes.faults.dies_after["a"] = 4 * CHUNK
    with pytest.raises(NoPeer):
        nodes.fetch("a", manifest=old)
    nodes.peers.reads.clear()
    nodes.fetch("b")
    assert nodes.peers.reads[0] == ("b", 0)
    assert nodes.arrived


def test_damaged_bytes_are_thrown_away_and_another_holder_is_asked(nodes: Grid) -> None:
    nodes.faults.corrupts.add("a")
    assert nodes.fetch("a", "b") == "b"
    assert nodes.arrived
    assert nodes.directory.claim("me", KEY).holders == ("b",)


def test_a_good_holder_is_not_blamed_for_bytes_that_a_bad_one_began(nodes: Grid) -> None:
    nodes.faults.corrupts.add("a")
    nodes.faults.dies_after["a"] = 3 * CHUNK
    assert nodes.fetch("a", "b") == "b"
    assert [offset for holder, offset in nodes.peers.reads if holder == "b"][:2] == [3 * CHUNK, 0]
    assert nodes.arrived


def test_damaged_bytes_from_every_holder_are_one_line(nodes: Grid) -> None:
    nodes.faults.corrupts |= {"a", "b"}
    with pytest.raises(NoPeer, match="no node gives artifact/1") as caught:
        nodes.fetch("a", "b")
    assert "\n" not in str(caught.value)
    assert not nodes.arrived


def test_a_holder_that_measures_is_waited_for(nodes: Grid) -> None:
    nodes.faults.busy["a"] = 3
    assert nodes.fetch("a") == "a"
    assert nodes.lines.count("waits for a, which measures speed") == 3
    assert nodes.arrived


def test_a_holder_that_measures_is_passed_over_for_another(nodes: Grid) -> None:
    nodes.faults.busy["a"] = 100
    assert nodes.fetch("a", "b") == "b"


def test_a_holder_that_measures_for_long_is_left_and_stays_a_holder(
    nodes: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BUSY_S", 0.05)
    nodes.faults.busy["a"] = 10**9
    with pytest.raises(AllBusy, match="a: it measures speed"):
        nodes.fetch("a")
    assert set(nodes.directory.claim("me", KEY).holders) == {"a", "b"}


def test_chunks_are_hashed_on_arrival_and_not_again_at_each_try(
    nodes: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    hashed = transfer._hash_part
    monkeypatch.setattr(
        transfer, "_hash_part", lambda target: read.append(target.name) or hashed(target)
    )
    monkeypatch.setattr(transfer, "ASK_AGAIN_S", 0.0)
    nodes.faults.silent["a"] = 5
    nodes.faults.dies_after["b"] = 4 * CHUNK
    assert nodes.fetch("b", "a") == "a"
    assert len(read) == 2  # each of the two files once
    assert nodes.arrived


def test_the_only_holder_is_waited_for_while_a_network_may_be_cut(
    nodes: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ASK_AGAIN_S", 0.0)
    nodes.faults.silent["a"] = 3
    assert nodes.fetch("a") == "a"
    assert nodes.lines.count("waits for a, which does not answer") == 3
    assert nodes.arrived


def test_a_silent_holder_is_passed_over_and_not_forgotten(nodes: Grid) -> None:
    nodes.faults.silent["a"] = 100
    assert nodes.fetch("a", "b") == "b"
    assert set(nodes.directory.claim("me", KEY).holders) == {"a", "b"}


def test_a_holder_that_stays_silent_is_given_up(
    nodes: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(transfer, "SILENCE_S", 0.05)
    nodes.faults.silent["a"] = 10**9
    with pytest.raises(NoPeer, match="a: it does not answer"):
        nodes.fetch("a")
    assert nodes.directory.claim("me", KEY).holders == ("b",)


def test_nothing_is_written_under_a_refused_name(nodes: Grid, tmp_path: Path) -> None:
    bad = Manifest((FileEntry("weights.x/../../../../../out", 3, "0" * 64),))
    with pytest.raises(EngineError, match="refused"):
        nodes.fetch("a", manifest=bad)
    assert not nodes.stage.exists()
    assert not (tmp_path / "out").exists()


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(nodes: Grid) -> None:
    with largest_file(5000), pytest.raises(EngineError, match="the cache takes no file"):
        nodes.fetch("a")
    assert not nodes.stage.exists()

"""The file server gives what is offered and nothing else, and keeps still when asked to."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from grid.sweep.artifacts import file_server as file_server
from grid.sweep.artifacts.file_server import FileServer
from grid.sweep.artifacts.manifest import named_files
from grid.sweep.artifacts.offers import offer, withdraw

KEY = "artifact/1"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.x"
    path.write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"secret")
    offer(KEY, named_files(path, "weights.x"))
    return path


def test_a_file_is_served_from_any_offset(weights: Path) -> None:
    assert FileServer().read(KEY, "weights.x", 4) == b"456789"


def test_offers_are_known_after_a_restart(weights: Path) -> None:
    manifests = FileServer().offered_manifests()
    assert [file.name for file in manifests[KEY].files] == ["weights.x"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "mine.x", ""])
def test_files_that_are_not_offered_are_not_served(weights: Path, name: str) -> None:
    assert FileServer().read(KEY, name, 0) == b""


@pytest.mark.parametrize("key", ["artifact/2", "../../secret", ""])
def test_unknown_keys_are_not_served(weights: Path, key: str) -> None:
    assert FileServer().read(key, "weights.x", 0) == b""


def test_a_changed_file_is_no_longer_offered(weights: Path) -> None:
    weights.write_bytes(b"another length")
    server = FileServer()
    assert server.offered_manifests() == {}
    assert server.read(KEY, "weights.x", 0) == b""


def test_an_evicted_file_is_no_longer_served(weights: Path) -> None:
    server = FileServer()
    assert server.read(KEY, "weights.x", 0)
    withdraw(KEY)
    weights.unlink()
    assert server.read(KEY, "weights.x", 0) == b""


def test_a_paused_file_server_serves_nothing(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_server, "PATIENCE_S", 0.05)
    server = FileServer()
    server.pause_transfers(60)
    assert server.read(KEY, "weights.x", 0) is None
    server.pause_transfers(0)
    assert server.read(KEY, "weights.x", 0) == b"0123456789"


def test_a_waiting_reader_is_served_when_the_pause_ends(weights: Path) -> None:
    server = FileServer()
    server.pause_transfers(60)
    answers: list[bytes | None] = []
    asker = threading.Thread(target=lambda: answers.append(server.read(KEY, "weights.x", 0)))
    asker.start()
    server.pause_transfers(0)
    asker.join(timeout=4)
    assert answers == [b"0123456789"]


def test_a_reader_that_was_turned_away_is_served_before_the_next_pause(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_server, "PATIENCE_S", 0.1)
    monkeypatch.setattr(file_server, "GONE_S", 0.5)
    server, next_pause = _pausing_again_after_turning_away()
    deadline = time.monotonic() + 20
    while server.read(KEY, "weights.x", 0) is None:
        assert time.monotonic() < deadline
    next_pause.join(timeout=20)
    assert not next_pause.is_alive()
    assert server.read(KEY, "weights.x", 0) is None


def test_readers_do_not_delay_a_pause_for_ever(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_server, "PATIENCE_S", 0.05)
    monkeypatch.setattr(file_server, "GIVE_FIRST_S", 0.5)
    server, next_pause = _pausing_again_after_turning_away()
    deadline = time.monotonic() + 20
    while next_pause.is_alive():
        server.read(KEY, "weights.x", 0)
        assert time.monotonic() < deadline
    assert server.read(KEY, "weights.x", 0) is None


def test_a_pause_ends_by_itself_when_its_caller_died(weights: Path) -> None:
    server = FileServer()
    server.pause_transfers(0.2)
    start = time.monotonic()
    while server.read(KEY, "weights.x", 0) is None:
        assert time.monotonic() - start < 20


def _pausing_again_after_turning_away() -> tuple[FileServer, threading.Thread]:
    """A server that has turned a reader away, and the thread that pauses it again."""
    server = FileServer()
    server.pause_transfers(60)
    assert server.read(KEY, "weights.x", 0) is None
    next_pause = threading.Thread(target=lambda: server.pause_transfers(60))
    next_pause.start()
    return server, next_pause

"""The porter gives what is offered and nothing else, and keeps still when asked to."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from grid.sweep.artifacts import file_server as porter
from grid.sweep.artifacts.file_server import Porter
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


def test_a_file_is_given_from_any_offset(weights: Path) -> None:
    assert Porter().read(KEY, "weights.x", 4) == b"456789"


def test_what_is_on_the_disk_is_known_after_a_restart(weights: Path) -> None:
    held = Porter().held()
    assert [file.name for file in held[KEY].files] == ["weights.x"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "mine.x", ""])
def test_nothing_else_is_given(weights: Path, name: str) -> None:
    assert Porter().read(KEY, name, 0) == b""


@pytest.mark.parametrize("key", ["artifact/2", "../../secret", ""])
def test_no_other_key_is_given(weights: Path, key: str) -> None:
    assert Porter().read(key, "weights.x", 0) == b""


def test_a_file_that_changed_is_offered_no_longer(weights: Path) -> None:
    weights.write_bytes(b"another length")
    one = Porter()
    assert one.held() == {}
    assert one.read(KEY, "weights.x", 0) == b""


def test_what_was_evicted_is_given_no_longer(weights: Path) -> None:
    one = Porter()
    assert one.read(KEY, "weights.x", 0)
    withdraw(KEY)
    weights.unlink()
    assert one.read(KEY, "weights.x", 0) == b""


def test_a_quiet_porter_gives_nothing(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "PATIENCE_S", 0.05)
    one = Porter()
    one.quiet(60)
    assert one.read(KEY, "weights.x", 0) is None
    one.quiet(0)
    assert one.read(KEY, "weights.x", 0) == b"0123456789"


def test_who_waits_is_answered_when_the_quiet_ends(weights: Path) -> None:
    one = Porter()
    one.quiet(60)
    answers: list[bytes | None] = []
    asker = threading.Thread(target=lambda: answers.append(one.read(KEY, "weights.x", 0)))
    asker.start()
    one.quiet(0)
    asker.join(timeout=4)
    assert answers == [b"0123456789"]


def test_who_was_sent_away_is_given_to_before_it_is_quiet_again(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(porter, "PATIENCE_S", 0.1)
    monkeypatch.setattr(porter, "GONE_S", 0.5)
    one = Porter()
    one.quiet(60)
    assert one.read(KEY, "weights.x", 0) is None
    again = threading.Thread(target=lambda: one.quiet(60))
    again.start()
    deadline = time.monotonic() + 20
    while one.read(KEY, "weights.x", 0) is None:
        assert time.monotonic() < deadline
    again.join(timeout=20)
    assert not again.is_alive()
    assert one.read(KEY, "weights.x", 0) is None


def test_askers_do_not_put_off_the_quiet_for_ever(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(porter, "PATIENCE_S", 0.05)
    monkeypatch.setattr(porter, "GIVE_FIRST_S", 0.5)
    one = Porter()
    one.quiet(60)
    assert one.read(KEY, "weights.x", 0) is None
    again = threading.Thread(target=lambda: one.quiet(60))
    again.start()
    deadline = time.monotonic() + 20
    while again.is_alive():
        one.read(KEY, "weights.x", 0)
        assert time.monotonic() < deadline
    assert one.read(KEY, "weights.x", 0) is None


def test_quiet_ends_by_itself_where_its_asker_died(weights: Path) -> None:
    one = Porter()
    one.quiet(0.2)
    start = time.monotonic()
    while one.read(KEY, "weights.x", 0) is None:
        assert time.monotonic() - start < 20

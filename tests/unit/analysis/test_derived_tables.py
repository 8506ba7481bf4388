"""What is derived from a store's rows is kept beside them, and is never wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from analysis_cases import Rows
from dataset_cases import same, write

from grid.analysis import draw_posterior
from grid.analysis.dataset import Dataset
from grid.results import derived_folder
from grid.results.derived_folder import FOLDER, DerivedFolder
from grid.results.location import Location

BOX = {"hardware_class": "box", "device_kind": "cpu-avx2"}
CARD = {"hardware_class": "card", "device_kind": "cuda"}
LONG_AGO = (1e9, 1e9)


def add_ladder(rows: Rows, place: dict[str, str]) -> Rows:
    for quant, right in (("F16", 9), ("Q8_0", 8), ("Q4_K_M", 5)):
        rows.decode([1.0, 1.1, 1.3], quant=quant, **place)
        rows.tasks("math", [1.0] * right + [0.0] * (12 - right), quant=quant, **place)
        rows.quality([0.01 * (9 - right) + 0.001 * i for i in range(9)], quant=quant, **place)
    return rows


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two hardware classes, in two files a table."""
    return write(add_ladder(add_ladder(Rows(), BOX), CARD), tmp_path / "store", files=2)


def pieces(store: Path) -> Iterator[Path]:
    files = sorted((store / FOLDER).glob("*.bin"))
    assert files
    return iter(files)


def outcome(store: Path, name: str = "box") -> tuple[object, ...]:
    """Figures and draws of a class in a fresh Dataset."""
    posterior = Dataset(store).posterior(name)
    texts = posterior.texts["kld_mean"]
    return list(posterior.variants), posterior.capability, posterior.informed, texts


def age(store: Path) -> None:
    for path in pieces(store):
        os.utime(path, LONG_AGO)


def pieces_used(store: Path) -> set[str]:
    """First words of the names of those that were read or written since `age`."""
    return {path.name.partition("-")[0] for path in pieces(store) if path.stat().st_mtime > 1.1e9}


def pieces_written(store: Path, before: dict[str, int]) -> set[str]:
    """Names of those that are another file than they were, even with the same content."""
    return {name for name, number in numbers(store).items() if before.get(name) != number}


def numbers(store: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in pieces(store)}


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pieces(store)}


def test_kept_figures_and_draws_are_those_computed_to_the_last_digit(store: Path) -> None:
    computed = outcome(store)
    age(store)
    before = numbers(store)
    assert same(outcome(store), computed)
    assert pieces_used(store) == {"attempts.bin", "draws", "variants"}
    assert pieces_written(store, before) == set()
    fresh = draw_posterior(computed[0])  # type: ignore[arg-type]
    assert np.array_equal(fresh.capability, computed[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_damaged_pieces_are_ignored_and_replaced(store: Path, damage: str) -> None:
    computed = outcome(store)
    before = contents(store)
    for path in pieces(store):
        whole = path.read_bytes()
        path.write_bytes(
            {
                "cut": whole[: len(whole) // 2],
                "flipped": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
                "empty": b"",
                "foreign": b"x" * 2000,
            }[damage]
        )
    assert same(outcome(store), computed)
    assert contents(store).keys() >= before.keys()
    assert all(contents(store)[name] == content for name, content in before.items())


def test_pieces_of_other_code_are_ignored(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = outcome(store)
    before = numbers(store)
    monkeypatch.setattr(derived_folder, "code_version", lambda: "0" * 16)
    assert same(outcome(store), computed)
    assert pieces_written(store, before) == before.keys()


def test_new_rows_are_shown_and_nothing_else_is_derived_again(store: Path, tmp_path: Path) -> None:
    card = outcome(store, "card")
    outcome(store)
    rows = add_ladder(add_ladder(Rows(), BOX), CARD)
    rows.decode([0.5, 0.6], quant="Q2_K", **BOX)
    ids = [row["attempt_id"] for row in rows.rows["attempts"][:-1]]
    for table in rows.rows.values():
        table[:] = [row for row in table if row["attempt_id"] not in ids]
    write(rows, store)
    before = numbers(store)
    assert same(outcome(store, "card"), card)
    assert pieces_written(store, before) == set()
    variants = outcome(store)[0]
    assert isinstance(variants, list)
    assert {variant.quant for variant in variants} == {"F16", "Q8_0", "Q4_K_M", "Q2_K"}
    (written,) = (name for name in pieces_written(store, before) if name.startswith("variants"))
    assert written in before


def test_figures_that_arrive_after_their_attempts_are_not_missed(tmp_path: Path) -> None:
    """As when a store is copied file by file."""
    whole = write(add_ladder(Rows(), BOX), tmp_path / "whole")
    part = tmp_path / "part"
    part.mkdir()
    late = [path for path in whole.glob("*.arrow") if path.name.startswith(("metrics", "items"))]
    for path in set(whole.glob("*.arrow")) - set(late):
        (part / path.name).write_bytes(path.read_bytes())
    early = outcome(part)[0]
    for path in late:
        (part / path.name).write_bytes(path.read_bytes())
    assert not same(outcome(part)[0], early)
    assert same(outcome(part), outcome(whole))


def test_a_changed_or_removed_file_is_read_again(store: Path) -> None:
    outcome(store)
    for path in store.glob("items-*.arrow"):
        path.unlink()
    variants = outcome(store)[0]
    assert isinstance(variants, list)
    assert all(variant.capability is None for variant in variants)


def test_a_link_that_a_stranger_left_is_not_followed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (store / FOLDER).symlink_to(elsewhere)
    assert same(outcome(store), outcome(store))
    assert not any(elsewhere.iterdir())
    assert any((tmp_path / "cache" / "derived").rglob("variants-*.bin"))


def test_the_files_used_longest_ago_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = np.random.default_rng(0).bytes(1000)  # does not get smaller
    monkeypatch.setattr(derived_folder, "MOST_BYTES", 3500)
    folder = DerivedFolder(Location(tmp_path))
    for i, name in enumerate("abc"):
        folder.write(name, content)
        os.utime(tmp_path / FOLDER / f"{name}.bin", (i + 1, i + 1))
    assert folder.read("a") == content  # and so it is the newest
    folder.write("d", content)
    assert [folder.read(name) for name in "abcd"] == [content, None, content, content]


def test_a_store_under_version_control_is_not_changed_by_reading(store: Path) -> None:
    outcome(store)
    assert (store / FOLDER / ".gitignore").read_text() == "*\n"


def test_a_pipe_or_a_link_in_place_of_a_piece_is_not_read(store: Path, tmp_path: Path) -> None:
    fresh = outcome(store)
    secret = tmp_path / "secret"
    secret.write_text("theirs")
    os.utime(secret, LONG_AGO)
    for number, path in enumerate(pieces(store)):
        path.unlink()
        if number % 2:
            os.mkfifo(path)  # nobody writes to it: a reader that waits would wait for ever
        else:
            path.symlink_to(secret)
    assert same(outcome(store), fresh)
    assert secret.stat().st_mtime == LONG_AGO[1]
    assert secret.read_text() == "theirs"

"""One sweep at a time: the lock, its owner, and stores that must not be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pyarrow as pa
import pytest
from results_cells import METRIC, NODE, cell, measurement_of, write_attempts

from grid.errors import StoreError, StoreLost
from grid.results import open_store
from grid.results.compact import compact
from grid.results.files import new_name
from grid.results.lock import LOCK_FILE
from grid.results.schema import ATTEMPTS, SCHEMA_VERSION, file_schema
from grid.results.store import Store


def lock_owner(store: Path) -> dict[str, Any]:
    owner: dict[str, Any] = json.loads((store / LOCK_FILE).read_text())
    return owner


def leave_foreign_lock(store: Path, **changes: object) -> None:
    """A lock as another sweep would have left it."""
    with Store(store).writer():
        owner = lock_owner(store)
    (store / LOCK_FILE).write_text(json.dumps({**owner, "token": "another", **changes}))


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_names_its_owner_and_goes_when_the_writer_leaves(tmp_path: Path) -> None:
    with Store(tmp_path).writer():
        owner = lock_owner(tmp_path)
        assert owner["pid"] == os.getpid()
        assert owner["process_start"] == pytest.approx(psutil.Process().create_time(), abs=2)
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_second_sweep_is_refused_with_the_name_of_the_writer(tmp_path: Path) -> None:
    with Store(tmp_path).writer():
        with pytest.raises(StoreError, match=rf"in use by another sweep .*pid {os.getpid()}"):
            Store(tmp_path).writer().__enter__()
        assert (tmp_path / LOCK_FILE).exists()


def test_a_lock_of_another_machine_is_never_taken_over(tmp_path: Path) -> None:
    leave_foreign_lock(tmp_path, host="elsewhere", pid=ended_process())
    with pytest.raises(StoreError, match=r"on elsewhere .* remove .*writer\.lock if that machine"):
        Store(tmp_path).writer().__enter__()


def test_a_lock_of_a_process_that_ended_is_taken_over_with_a_note(tmp_path: Path) -> None:
    pid = ended_process()
    leave_foreign_lock(tmp_path, pid=pid)
    with Store(tmp_path).writer() as writer:
        assert f"pid {pid}" in writer.note


def test_a_lock_of_a_process_whose_number_was_given_away_is_taken_over(tmp_path: Path) -> None:
    leave_foreign_lock(tmp_path, process_start=own_start_time() - 1000)
    with Store(tmp_path).writer() as writer:
        assert "took over" in writer.note


def own_start_time() -> float:
    return psutil.Process().create_time()


KILLED = """
import sys
sys.path.insert(0, {helpers!r})
from results_cells import NODE, Store, cell, measurement_of

with Store({store!r}).writer() as writer:
    for quant in ("Q4_0", "Q8_0"):
        writer.add(cell(quant), measurement_of(cell(quant)), node=NODE, sweep_id="s", sweep="q")
        writer.flush()
        print("flushed", flush=True)
    sys.stdin.read()
"""


def test_a_sweep_that_was_killed_leaves_its_rows_and_the_next_one_goes_on(tmp_path: Path) -> None:
    script = KILLED.format(helpers=str(Path(__file__).parents[2] / "helpers"), store=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sweep:
        assert sweep.stdout is not None
        assert [sweep.stdout.readline() for _ in range(2)] == ["flushed\n", "flushed\n"]
        with pytest.raises(StoreError, match=f"pid {sweep.pid}"):
            Store(tmp_path).writer().__enter__()
        sweep.kill()
    write_attempts(tmp_path, (cell("F16"), measurement_of(cell("F16"))))
    quants = open_store(tmp_path).attempts()["quant"].to_pylist()
    assert sorted(quants) == ["F16", "Q4_0", "Q8_0"]


def test_no_note_without_a_stale_lock(tmp_path: Path) -> None:
    with Store(tmp_path).writer() as writer:
        assert writer.note == ""


def test_an_unreadable_lock_refuses_the_writer(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text("{")
    with pytest.raises(StoreError, match="remove it if no sweep is running"):
        Store(tmp_path).writer().__enter__()
    assert (tmp_path / LOCK_FILE).read_text() == "{"


def test_a_flush_refreshes_the_lock(tmp_path: Path) -> None:
    with Store(tmp_path).writer() as writer:
        os.utime(tmp_path / LOCK_FILE, (0, 0))
        writer.add(cell(), measurement_of(cell()), node=NODE, sweep_id="s", sweep="q")
        writer.flush()
        assert (tmp_path / LOCK_FILE).stat().st_mtime > 0


def test_a_writer_whose_lock_another_took_stops(tmp_path: Path) -> None:
    writer = Store(tmp_path).writer().__enter__()
    (tmp_path / LOCK_FILE).write_text(
        json.dumps({**lock_owner(tmp_path), "token": "x", "host": "elsewhere"})
    )
    writer.add(cell(), measurement_of(cell()), [METRIC], node=NODE, sweep_id="s", sweep="q")
    with pytest.raises(StoreLost, match="taken over by another sweep on elsewhere"):
        writer.flush()
    writer.__exit__(None, None, None)
    assert lock_owner(tmp_path)["token"] == "x"


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that this process may read and not write, also where the tests run as root."""
    root = os.geteuid() == 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_read_only_store_is_refused_at_opening(read_only_folder: Path) -> None:
    with pytest.raises(StoreError, match="cannot write to the store") as refused:
        Store(read_only_folder).writer().__enter__()
    assert refused.value.exit_code == 2


def test_a_store_that_cannot_be_made_is_refused(read_only_folder: Path) -> None:
    with pytest.raises(StoreError, match="cannot make the store"):
        Store(read_only_folder / "new").writer().__enter__()


@pytest.fixture
def newer_store(tmp_path: Path) -> Path:
    metadata = {
        **file_schema("attempts").metadata,
        b"quantgrid.schema": b"%d" % (SCHEMA_VERSION + 1),
    }
    schema = ATTEMPTS.append(pa.field("unheard_of", pa.string())).with_metadata(metadata)
    with pa.ipc.new_file(str(tmp_path / new_name("attempts")), schema) as writer:
        writer.write_table(schema.empty_table())
    return tmp_path


def test_a_store_of_a_newer_schema_is_not_written(newer_store: Path) -> None:
    with pytest.raises(StoreError, match=r"newer than the \d known here; upgrade quantgrid"):
        Store(newer_store).writer().__enter__()
    assert not (newer_store / LOCK_FILE).exists()


def test_a_store_of_a_newer_schema_is_not_compacted(newer_store: Path) -> None:
    with pytest.raises(StoreError, match="upgrade quantgrid"):
        compact(newer_store)


def test_writing_goes_on_beside_torn_files(tmp_path: Path) -> None:
    (tmp_path / "attempts-x.arrow").write_text("torn")
    write_attempts(tmp_path, (cell(), measurement_of(cell())))
    assert (tmp_path / "attempts-x.arrow").read_text() == "torn"

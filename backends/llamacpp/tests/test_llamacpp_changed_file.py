"""A GGUF file that is overwritten while a sweep runs: its rows fail, others are measured."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import grid_llamacpp
import pytest

from grid.cells.measurement import Measurement
from grid.hardware.probe import probe_node
from grid.plan import expand, load_sweep
from grid.sweep.events import CellDone, CellStarted, Settings
from grid.sweep.executors.worker import Worker

pytestmark = pytest.mark.engine

SWEEP = """
backends = ["llamacpp"]
measures = ["speed", "quality"]
[[models]]
files = ["tiny-Q4_0.gguf", "tiny-Q8_0.gguf"]
[options.llamacpp]
threads = 1
[speed]
prompt = [16]
generate = [8]
repetitions = 1
[quality]
text = "ref:heldout"
context = 64
chunks = 2
"""


def overwrite(path: Path, size: int = 20_000) -> None:
    """Zeros in the middle; neither the size nor the time of change shows it."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2)
        file.write(bytes(size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change", [overwrite, Path.unlink], ids=["overwritten", "gone"])
def test_a_file_that_changes_fails_its_rows_and_the_others_are_measured(
    f16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    changed = tmp_path / "tiny-Q4_0.gguf"
    for path in (changed, tmp_path / "tiny-Q8_0.gguf"):
        grid_llamacpp.backend.quantize(f16, path.stem.removeprefix("tiny-"), path, 2)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    node = probe_node()
    plan = expand(load_sweep(tmp_path / "sweep.toml"), {"llamacpp": grid_llamacpp.backend}, node)
    worker, rows, whole = Worker(node, Settings(cell_timeout_s=60)), {}, True
    for session in plan.sessions:
        for event in worker.run(session):
            if isinstance(event, CellStarted) and session.artifact.path == str(changed) and whole:
                change(changed)  # before it is loaded
                whole = False
            if isinstance(event, CellDone):
                rows[event.cell_id] = event.measurement
    worker.close()
    assert set(rows) == {cell.id for cell in plan.cells}
    reason = "changed on disk" if changed.exists() else "cannot be read"
    for cell in plan.cells:
        row = rows[cell.id]
        assert isinstance(row, Measurement)
        if cell.artifact.path == str(changed):
            assert row.status == "error"
            assert str(changed) in row.reason
            assert reason in row.reason
        else:
            assert row.status == "ok"


def test_a_made_file_that_is_overwritten_is_made_again_and_measures_as_before(
    f16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    shutil.copy(f16, tmp_path / "tiny-F16.gguf")
    model = 'source = "tiny-F16.gguf"\n'
    text = SWEEP.replace('files = ["tiny-Q4_0.gguf", "tiny-Q8_0.gguf"]\n', model)
    text = text.replace(
        'measures = ["speed", "quality"]', 'measures = ["quality"]\nquants = ["Q4_0"]'
    )
    (tmp_path / "sweep.toml").write_text(text)
    node = probe_node()
    plan = expand(load_sweep(tmp_path / "sweep.toml"), {"llamacpp": grid_llamacpp.backend}, node)
    values = []
    for _ in range(2):
        worker = Worker(node, Settings(cell_timeout_s=60))
        events = [event for session in plan.sessions for event in worker.run(session)]
        worker.close()
        rows = [event.measurement for event in events if isinstance(event, CellDone)]
        assert [row.status for row in rows if row] == ["ok"] * len(plan.cells)
        values.append([s.values for row in rows if row for s in row.series if s.name == "nll"])
        for path in (tmp_path / "cache" / "artifacts").glob("*/*.gguf"):
            overwrite(path)
    assert values[0] == values[1]

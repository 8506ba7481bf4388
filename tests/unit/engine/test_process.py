"""The engine's process: what it answers, and how its end is told."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import grid_fake
import psutil
import pytest

from grid.backend import Backend
from grid.backend.registry import backend
from grid.cells.texts import read_text
from grid.cells.workload import Decode, Prefill, Quality
from grid.engine import messages
from grid.engine.host import EngineHost
from grid.engine.process import EngineProcess
from grid.errors import EngineDied, EngineTimeout, OutOfMemory, Unsupported


def load(path: Path, **options: str | int | float) -> messages.Load:
    fake: Backend = backend("fake")
    complete = fake.options(options, None)  # type: ignore[arg-type]
    return messages.Load(backend="fake", path=str(path), device="cpu", options=complete)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return grid_fake.write(tmp_path / "toy.fake")


def test_a_loaded_engine_measures(model: Path) -> None:
    with EngineProcess() as process:
        loaded = process.ask(load(model), 30)
        raw = process.ask(messages.Measure(workload=Decode(16, repetitions=3)), 30)
    assert isinstance(loaded, messages.Loaded)
    assert isinstance(raw, messages.Raw)
    (seconds,) = (series for series in raw.series if series.name == "decode_s")
    assert (seconds.unit, len(seconds.values)) == ("s", 3)
    assert raw.engine_s >= sum(seconds.values)


def test_a_request_says_how_far_it_is_before_its_reply(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grid.engine.measure.meter.PROGRESS_EVERY_S", 0.0)
    reports: list[tuple[int, int, str]] = []
    host = EngineHost(lambda *report: reports.append(report))
    host.serve(load(model))
    text = read_text("ref:heldout")
    reply = host.serve(messages.Measure(workload=Quality(text.source, text.sha256, 32, 3)))
    assert isinstance(reply, messages.Raw)
    assert reports == [(0, 3, "chunks"), (1, 3, "chunks"), (2, 3, "chunks")]


def test_progress_of_a_process_comes_before_its_reply(model: Path) -> None:
    """The cell waits for longer than reports lie apart, so that the first chunk brings a report."""
    text = read_text("ref:heldout")
    request = messages.Measure(workload=Quality(text.source, text.sha256, 512, 20))
    with EngineProcess() as process:
        process.ask(load(model, cell_s=0.3), 30)
        done = [step.done for step in process.steps(request, 60)]
    assert done == sorted(set(done))
    assert done
    assert all(0 <= number < 20 for number in done)


@pytest.mark.parametrize(
    ("option", "error"), [("oom_on", OutOfMemory), ("unsupported_on", Unsupported)]
)
def test_an_engines_refusal_keeps_its_kind_and_its_process(
    model: Path, option: str, error: type[Exception]
) -> None:
    with EngineProcess() as process:
        process.ask(load(model, **{option: "step"}), 30)
        with pytest.raises(error):
            process.ask(messages.Measure(workload=Decode(16)), 30)
        assert process.alive
        process.ask(messages.Measure(workload=Prefill(16)), 30)


def test_a_crash_names_its_signal(model: Path) -> None:
    with EngineProcess() as process:
        process.ask(load(model, crash_on="step"), 30)
        with pytest.raises(EngineDied, match="SIG"):
            process.ask(messages.Measure(workload=Decode(16)), 30)
        assert not process.alive


def test_a_hang_ends_at_the_timeout(model: Path) -> None:
    with EngineProcess() as process:
        process.ask(load(model, hang_on="step"), 30)
        started = time.monotonic()
        with pytest.raises(EngineTimeout, match="within 1"):
            process.ask(messages.Measure(workload=Decode(16)), 1.0)
        assert time.monotonic() - started < 5
        assert not process.alive


def test_a_kill_by_the_system_counts_as_out_of_memory(model: Path) -> None:
    with EngineProcess() as process:
        process.ask(load(model), 30)
        pid = process._process.pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(OutOfMemory):
            process.ask(messages.Measure(workload=Decode(16)), 30)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA does not bind elsewhere")
def test_memory_beyond_the_limit_is_refused(model: Path) -> None:
    request = messages.Load(
        backend="fake",
        path=str(model),
        device="cpu",
        options={**load(model).options, "allocate_mib": 4000},
        memory_limit=2 * 2**30,
    )
    with EngineProcess() as process, pytest.raises(OutOfMemory):
        process.ask(request, 30)


def test_the_process_leaves_with_all_that_is_its_own_when_its_driver_does(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "host_with_child.py").write_text(
        "import subprocess, sys\n"
        "from grid.engine.host import main\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "main(sys.argv[1:])\n"
    )
    imports = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    process = EngineProcess(imports=imports, module="host_with_child")
    process.ask(load(model, hang_on="step"), 30)
    os.write(process._requests, messages.encode(messages.Measure(workload=Decode(16))))
    host = psutil.Process(process._process.pid)
    (child,) = host.children()
    folder = Path(process._folder.name)
    assert folder.is_dir()
    os.close(process._requests)  # what the system does for a driver that was killed
    process._requests = os.open(os.devnull, os.O_WRONLY)
    assert host.wait(timeout=10) is not None
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()
    assert not folder.exists()
    process.close()

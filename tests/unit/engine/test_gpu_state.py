"""NVIDIA's cards beside a cell: what slowed them before, during and after it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from grid.engine.measure.gpu_state import GpuWatch, parse_gpu_state
from grid.engine.measure.machine_speed import SpeedHistory
from grid.engine.measure.machine_state import measure_speed
from grid.engine.measure.result import WorkloadResult, series

IDLE = "0, 31, 345, 0, 0x0000000000000001\n1, 29, 210, 0, 0x0000000000000001\n"
BUSY = "0, 61, 1980, 99, 0x0000000000000000\n1, 60, 1965, 98, 0x0000000000000004\n"
HOT = "0, 89, 1200, 100, 0x0000000000000040\n1, 60, 1980, 99, 0x0000000000000000\n"
CHANGING = "0, 61, 1500, 40, 0x0000000000000008\n1, 60, 1980, 99, 0x0000000000000000\n"


def test_heat_between_two_quiet_readings_is_seen() -> None:
    state = parse_gpu_state(IDLE + BUSY + HOT + BUSY + IDLE)
    assert state.throttled == "the GPU slowed down for its heat (in 1 of 5 readings)"
    assert state.environment == {
        "gpu_temperature_c": "89, 60",
        "gpu_clock_mhz": "1200, 1965",
        "gpu_busy_percent": "100, 99",
    }


def test_cards_that_rest_show_their_last_clock() -> None:
    assert parse_gpu_state(IDLE).environment["gpu_clock_mhz"] == "345, 210"


def test_hardware_limit_takes_two_readings() -> None:
    assert parse_gpu_state(BUSY + CHANGING + BUSY).throttled == ""
    state = parse_gpu_state(BUSY + CHANGING + CHANGING)
    assert state.throttled == "the GPU slowed down for a hardware limit (in 2 of 3 readings)"


@pytest.mark.parametrize(
    "table",
    [
        "",
        "No devices were found",
        "0, 60, 1980, 99, 0x0000000000000004",
        "0, 47, [N/A], [N/A], [N/A]",
        "0, 61, 1980, 9",
    ],
)
def test_card_that_nothing_slows_says_nothing(table: str) -> None:
    assert parse_gpu_state(table).throttled == ""


def test_card_that_does_not_say_its_clock_has_none() -> None:
    state = parse_gpu_state("0, 47, [N/A], [N/A], [N/A]")
    assert state.environment == {
        "gpu_temperature_c": "47",
        "gpu_clock_mhz": "?",
        "gpu_busy_percent": "?",
    }


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in place of nvidia-smi: it prints what lies in files, of a card that is hot only
    between its first and its last reading. Returns a pipe with a byte for each of these."""
    (tmp_path / "quiet").write_text(BUSY)
    (tmp_path / "hot").write_text(HOT)
    pipe = tmp_path / "sampled"
    os.mkfifo(pipe)
    script = tmp_path / "nvidia-smi"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time\n"
        "folder = pathlib.Path(__file__).parent\n"
        "loops = any(argument.startswith('--loop-ms') for argument in sys.argv)\n"
        "print((folder / ('hot' if loops else 'quiet')).read_text(), end='', flush=True)\n"
        "if loops:\n"
        "    (folder / 'sampled').write_text('x')\n"
        "    time.sleep(600)\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return pipe


@pytest.mark.skipif(os.name != "posix", reason="a script stands for nvidia-smi")
def test_card_that_is_hot_only_while_the_cell_runs_disturbs_it(tool: Path, tmp_path: Path) -> None:
    def run() -> WorkloadResult:
        tool.read_text()  # until the cards were read beside it
        return WorkloadResult(series=(series("decode_s", "s", [1.0]),))

    result = measure_speed(run, 0.0, SpeedHistory(tmp_path / "speed.json"))
    reason = "the GPU slowed down for its heat (in 1 of 3 readings)"
    assert result.environment["disturbed"] == reason
    assert result.environment["gpu_temperature_c"] == "89, 60"


@pytest.mark.skipif(os.name != "posix", reason="a script stands for nvidia-smi")
def test_cell_that_fails_leaves_no_tool_running(tool: Path, tmp_path: Path) -> None:
    def fail() -> WorkloadResult:
        tool.read_text()
        raise RuntimeError("no result")

    import psutil

    with pytest.raises(RuntimeError, match="no result"):
        measure_speed(fail, 0.0, SpeedHistory(tmp_path / "speed.json"))
    assert not [c for c in psutil.Process().children() if "nvidia-smi" in " ".join(c.cmdline())]


def test_machine_without_the_tool_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GpuWatch().end() == ({}, "")

"""`grid` alone: machine, store, next commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from advice_cases import family, write_store
from typer.testing import CliRunner

from grid.advice.machine_name import short_machine_name
from grid.cli import command_line
from grid.cli.views.overview import age
from grid.hardware.node import Accelerator, Node
from grid.hardware.probe import probe_node
from grid.units import GIB

NODE = Node(
    name="box",
    system="Linux x86_64",
    chip="Chip X",
    cores=4,
    memory_bytes=16 * GIB,
    bandwidth_bytes_s=2e10,
)
CARD = Accelerator(name="NVIDIA H200", kind="cuda-sm90", memory_bytes=139 * GIB)
MOST_LINES, WIDTH = 12, 80


@pytest.fixture(autouse=True)
def _terminal_of_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def overview(store: str) -> str:
    result = CliRunner().invoke(command_line, [], env={"QUANTGRID_STORE": store})
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    return result.stdout


def next_commands(text: str) -> list[str]:
    return re.findall(r"^  (grid(?: [a-z]+)?)", text, re.MULTILINE)


def test_without_a_store_it_says_how_to_begin() -> None:
    text = overview("none")
    assert f"machine  {probe_node().short_name}" in text
    assert "none holds nothing yet" in text
    assert next_commands(text)[0] == "grid sweep"


def test_with_rows_of_this_machine_it_says_what_to_run(tmp_path: Path) -> None:
    write_store(family(hardware=probe_node().hardware_class), tmp_path / "mine")
    text = overview("mine")
    assert "4 variants of base on 1 machine" in " ".join(text.split())
    assert next_commands(text)[:3] == ["grid recommend", "grid show", "grid app"]


def test_with_rows_of_others_alone_it_says_to_measure_here(tmp_path: Path) -> None:
    write_store(family(hardware="Chip Z, 8 cores, 64 GiB, 32-64 GB/s"), tmp_path / "theirs")
    assert next_commands(overview("theirs"))[0] == "grid sweep"


def test_a_store_that_is_none_is_said_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file is a file; a store is a folder" in overview("file")


def test_short_names_leave_out_cores_and_bandwidth() -> None:
    pair = Node(
        name="rig",
        system="Linux x86_64",
        chip="AMD EPYC",
        cores=16,
        memory_bytes=128 * GIB,
        bandwidth_bytes_s=2e11,
        accelerators=(CARD, CARD),
    )
    assert pair.short_name == "2x NVIDIA H200 139 GiB"
    assert NODE.short_name == "Chip X, 16 GiB" == short_machine_name(NODE.hardware_class)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (90000, "1 day ago")],
)
def test_age_is_in_the_largest_unit(seconds: int, text: str) -> None:
    assert age(datetime.now(UTC) - timedelta(seconds=seconds)) == text

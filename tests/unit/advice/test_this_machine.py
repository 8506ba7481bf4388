"""Which rows are those of this machine: by what it is, not by what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import add_quality, add_speed, picked_quant, write_store
from analysis_cases import SIZES, Rows

from grid.advice import Advice, Ask, recommend
from grid.hardware.node import Node
from grid.hardware.node_file import FILE_VARIABLE

CHIP = "Chip X, 4 cores, 16 GiB"
NOW, BEFORE, LONG_AGO = (f"{CHIP}, {b} GB/s" for b in ("16-32", "32-64", "64-128"))
OTHER_CHIP = "Chip Y, 4 cores, 16 GiB, 16-32 GB/s"


@pytest.fixture(autouse=True)
def _this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "node.toml"
    file.write_text(
        'name = "desk"\nchip = "Chip X"\nmemory = "16GiB"\nbandwidth = "20GB/s"\ncores = 4\n'
    )
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    monkeypatch.setattr("grid.hardware.identify.list_accelerators", lambda *_: ())


def advice(folder: Path, **hosts: str) -> Advice:
    """Over a store that has the hardware classes, each with the name of its host."""
    rows = Rows()
    for hardware, host in hosts.items():
        for quant in SIZES:
            add_speed(rows, quant, hardware, node=host)
            add_quality(rows, quant, hardware, node=host)
    answer = recommend(write_store(rows, folder / "store"), Ask())
    assert picked_quant(answer) == "Q8_0"
    return answer


def machine_notes(answer: Advice) -> list[str]:
    return [note for note in answer.notes if note.startswith("this machine")]


def test_rows_of_its_class_are_its_own_whatever_the_host_is_called(tmp_path: Path) -> None:
    answer = advice(tmp_path, **{OTHER_CHIP: "desk", NOW: "laptop"})
    assert answer.hardware == NOW
    assert machine_notes(answer) == []


def test_rows_of_another_bandwidth_count_and_both_are_said(tmp_path: Path) -> None:
    answer = advice(tmp_path, **{OTHER_CHIP: "desk", BEFORE: "laptop"})
    assert answer.hardware == BEFORE
    (note,) = machine_notes(answer)
    assert "bandwidth of 32-64 GB/s, and it measures 16-32 GB/s now" in note


def test_of_two_bandwidths_the_one_under_its_name_counts(tmp_path: Path) -> None:
    assert advice(tmp_path, **{LONG_AGO: "desk", BEFORE: "laptop"}).hardware == LONG_AGO


def test_rows_of_another_machine_of_its_name_are_said_to_be_of_another(tmp_path: Path) -> None:
    answer = advice(tmp_path, **{OTHER_CHIP: "desk"})
    assert answer.hardware == OTHER_CHIP
    assert machine_notes(answer)[0].startswith("this machine (Chip X, 16 GiB) has no rows")


def test_a_named_machine_needs_no_note(tmp_path: Path) -> None:
    rows = Rows()
    for quant in SIZES:
        add_speed(rows, quant, OTHER_CHIP)
        add_quality(rows, quant, OTHER_CHIP)
    dataset = write_store(rows, tmp_path / "store")
    assert machine_notes(recommend(dataset, Ask(hardware=OTHER_CHIP))) == []


def test_a_machine_without_its_class_in_a_store_may_be_all_that_differ_in_bandwidth() -> None:
    node = Node(
        name="desk", system="", chip="Chip X", cores=4, memory_bytes=2**34, bandwidth_bytes_s=2e10
    )
    assert node.classes_among([OTHER_CHIP, BEFORE, LONG_AGO]) == [BEFORE, LONG_AGO]
    assert node.classes_among([OTHER_CHIP, BEFORE, NOW]) == [NOW]
    assert node.classes_among([OTHER_CHIP]) == []

"""What a store's runs of the same cell say of the next one."""

from __future__ import annotations

from math import log
from pathlib import Path

import msgspec
import pytest
from results_cells import METRIC, NODE, cell, measurement_of

from grid.cells.measurement import Measurement, Metric
from grid.cells.workload import Decode
from grid.results.reader import Results
from grid.results.store import Store
from grid.sweep.earlier_runs import read_earlier_runs, with_earlier_runs

UNDISTURBED = {"stopped": "5 repetitions, as asked"}


def store_of(folder: Path, runs: list[tuple[str, float, dict[str, str]]]) -> Results:
    """Runs of decode cells: quant, rate in token/s, environment."""
    with Store(folder).writer() as writer:
        for i, (quant, rate, environment) in enumerate(runs):
            planned = cell(quant, Decode(tokens=128))
            measured = measurement_of(planned, at=1.8e9 + i)
            metric: Metric = msgspec.structs.replace(METRIC, value=rate)
            writer.add(
                planned,
                msgspec.structs.replace(measured, environment=environment),
                [metric],
                node=NODE,
                sweep_id="s",
                sweep="sweep",
            )
    return Results(folder)


def test_runs_of_a_cell_are_pooled_over_the_cells_of_a_class(tmp_path: Path) -> None:
    runs = [
        ("Q4_0", 10.0, UNDISTURBED),
        ("Q4_0", 12.0, UNDISTURBED),
        ("Q8_0", 5.0, UNDISTURBED),
        ("Q8_0", 5.0, UNDISTURBED),
    ]
    earlier = read_earlier_runs(store_of(tmp_path, runs))
    between = earlier[NODE.hardware_class, "decode"]
    assert between.degrees == 2
    assert between.variance == pytest.approx(log(1.2) ** 2 / 4)


def test_disturbed_runs_and_rows_that_do_not_say_it_are_left_out(tmp_path: Path) -> None:
    disturbed = UNDISTURBED | {"disturbed": "all"}
    runs = [("Q4_0", 10.0, UNDISTURBED), ("Q4_0", 90.0, disturbed), ("Q4_0", 40.0, {})]
    assert read_earlier_runs(store_of(tmp_path, runs)) == {}


def test_single_runs_say_nothing(tmp_path: Path) -> None:
    runs = [("Q4_0", 10.0, UNDISTURBED), ("Q8_0", 40.0, UNDISTURBED)]
    assert read_earlier_runs(store_of(tmp_path, runs)) == {}


def test_measurement_carries_what_earlier_runs_showed(tmp_path: Path) -> None:
    runs = [("Q4_0", 10.0, UNDISTURBED), ("Q4_0", 12.0, UNDISTURBED)]
    between = read_earlier_runs(store_of(tmp_path, runs))[NODE.hardware_class, "decode"]
    measurement = with_earlier_runs(Measurement(cell_id="c", status="ok"), between)
    assert measurement.scalars["earlier_run_degrees"] == 1
    assert measurement.scalars["earlier_run_sd"] == pytest.approx(log(1.2) / 2**0.5)
    assert with_earlier_runs(measurement, None) is measurement

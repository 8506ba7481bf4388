"""What a store says of its runs: sweeps, failures, nodes, suspect figures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from results_cells import METRIC, NODE, cell, measurement_of

from grid.analysis.dataset import Dataset
from grid.analysis.dataset.runs import RunsReport, failure_groups, runs_report, sweep_summaries
from grid.analysis.dataset.suspect_figures import BUSY, suspect_figures_on
from grid.cells.measurement import Measurement, Metric
from grid.cells.workload import Decode, Latency, Prefill
from grid.results import open_store
from grid.results.reader import Results
from grid.results.store import Store

START = 1_800_000_000.0


def fill(
    folder: Path,
    *attempts: Measurement,
    sweep_id: str = "s1",
    sweep: str = "night",
    metrics: tuple[Metric, ...] = (),
    node: str = NODE.name,
) -> Results:
    """A store with these attempts at cells of `cells`, added."""
    by_id = {cell.id: cell for cell in CELLS}
    at = msgspec.structs.replace(NODE, name=node)
    with Store(folder).writer() as writer:
        for attempt in attempts:
            writer.add(
                by_id[attempt.cell_id], attempt, metrics, node=at, sweep_id=sweep_id, sweep=sweep
            )
    return open_store(folder)


CELLS = [
    cell("Q4_0", Decode(tokens=64)),
    cell("Q8_0", Decode(tokens=64)),
    cell("Q2_K", Prefill(tokens=64)),
    cell("Q6_K", Latency(prompt=8, generate=8)),
]


def with_environment(measurement: Measurement, **environment: str) -> Measurement:
    return msgspec.structs.replace(
        measurement, environment={**measurement.environment, **environment}
    )


def test_a_sweep_summary_has_time_cells_nodes_and_engine_share(tmp_path: Path) -> None:
    store = fill(
        tmp_path,
        measurement_of(CELLS[0], at=START),
        measurement_of(CELLS[1], at=START + 10),
        measurement_of(CELLS[2], "oom", at=START + 20),
        measurement_of(CELLS[3], "skipped", at=START),
    )
    (run,) = sweep_summaries(store.attempts())
    assert (run.name, run.id, run.nodes) == ("night", "s1", (NODE.name,))
    assert run.first == datetime.fromtimestamp(START, UTC)
    assert run.last == datetime.fromtimestamp(START + 20 + 2.5, UTC)
    assert run.cells == {"ok": 2, "oom": 1, "skipped": 1}
    assert run.total == 4
    assert run.engine_share == pytest.approx(2.25 / 2.5)
    assert run.hardware_classes == (NODE.hardware_class,)


def test_a_retried_cell_counts_once_by_its_last_status(tmp_path: Path) -> None:
    store = fill(
        tmp_path,
        measurement_of(CELLS[0], "error", at=START),
        measurement_of(CELLS[0], at=START + 5),
    )
    assert sweep_summaries(store.attempts())[0].cells == {"ok": 1}


def test_the_newest_sweep_comes_first(tmp_path: Path) -> None:
    fill(tmp_path, measurement_of(CELLS[0], at=START + 100), sweep_id="new", sweep="later")
    store = fill(tmp_path, measurement_of(CELLS[1], at=START), sweep_id="old", sweep="sooner")
    assert [run.name for run in sweep_summaries(store.attempts())] == ["later", "sooner"]


def test_failures_are_grouped_by_reason_and_skips_come_last(tmp_path: Path) -> None:
    store = fill(
        tmp_path,
        measurement_of(CELLS[0], "error", at=START),
        measurement_of(CELLS[1], "error", at=START),
        measurement_of(CELLS[2], "skipped", at=START),
        measurement_of(CELLS[3], at=START),
    )
    error, skipped = failure_groups(store.final())
    assert (error.status, error.reason) == ("error", "it was error")
    assert sorted(error.labels) == ["tiny Q4_0 tg64", "tiny Q8_0 tg64"]
    assert error.nodes == (NODE.name,)
    assert (skipped.status, skipped.labels) == ("skipped", ("tiny Q2_K pp64",))


def test_a_cell_that_succeeded_later_is_no_failure(tmp_path: Path) -> None:
    fill(tmp_path, measurement_of(CELLS[0], "error", at=START))
    store = fill(tmp_path, measurement_of(CELLS[0], at=START + 9), sweep_id="s2")
    assert failure_groups(store.final()) == []


def test_a_node_summary_has_facts_versions_and_manual_overrides(
    tmp_path: Path,
) -> None:
    older = with_environment(
        measurement_of(CELLS[0], at=START, version="1.0"), bandwidth_bytes_s="1e9"
    )
    newer = with_environment(
        measurement_of(CELLS[1], at=START + 5, version="1.1"),
        bandwidth_bytes_s="2e9", quantgrid="0.2", node_toml="cores, memory",
    )  # fmt: skip
    fill(tmp_path, older, newer)
    fill(tmp_path, measurement_of(CELLS[2], at=START), node="mac")
    first, second = runs_report(Dataset(tmp_path)).nodes
    assert [first.name, second.name] == ["mac", NODE.name]
    assert first.bandwidth_bytes_s is None
    assert second.bandwidth_bytes_s == 2e9
    assert second.attempts == 2
    assert second.overridden == "cores, memory"
    assert second.versions["fake"] == ("1.0", "1.1")
    assert second.versions["quantgrid"] == ("0.2",)


def test_drift_outliers_and_other_programs_make_a_figure_suspect(tmp_path: Path) -> None:
    drift = (
        Metric(name="drift", value=1.0, unit="1"),
        Metric(name="drift_change", value=-0.18, unit="1"),
        Metric(name="outliers", value=2.0, unit="1"),
    )
    fill(tmp_path, measurement_of(CELLS[0], at=START), metrics=drift)
    calm = Metric(name="drift", value=0.0, unit="1")
    fill(tmp_path, measurement_of(CELLS[1], at=START), metrics=(METRIC, calm))
    busy = with_environment(measurement_of(CELLS[2], at=START), other_cpu_share=str(BUSY + 0.1))
    fill(tmp_path, busy)
    suspects = {
        suspect.kind: suspect
        for suspect in suspect_figures_on(Dataset(tmp_path), NODE.hardware_class)
    }
    assert suspects["drift"].text == "-18% from the first repetition to the last"
    assert suspects["outliers"].text == "2 repetitions far from the median"
    assert suspects["busy"].text == "other programs used 30% of the machine"
    assert {suspect.label for suspect in suspects.values()} == {"tiny Q4_0 tg64", "tiny Q2_K pp64"}


def test_diagnostics_that_are_no_numbers_are_not_suspect(tmp_path: Path) -> None:
    nan = (
        Metric(name="drift", value=float("nan"), unit="1"),
        Metric(name="outliers", value=float("inf"), unit="1"),
    )
    fill(tmp_path, measurement_of(CELLS[0], at=START), metrics=nan)
    assert suspect_figures_on(Dataset(tmp_path), NODE.hardware_class) == []


def test_an_impossible_duration_does_not_count(tmp_path: Path) -> None:
    endless = msgspec.structs.replace(measurement_of(CELLS[0], at=START), wall_s=1e300)
    store = fill(tmp_path, endless)
    assert sweep_summaries(store.attempts())[0].last == datetime.fromtimestamp(START, UTC)


@pytest.mark.parametrize("share", ["0.1", "nan", "", "much", "1e9", "-1"])
def test_a_small_or_unreadable_cpu_share_is_not_suspect(tmp_path: Path, share: str) -> None:
    fill(tmp_path, with_environment(measurement_of(CELLS[0], at=START), other_cpu_share=share))
    assert suspect_figures_on(Dataset(tmp_path), NODE.hardware_class) == []


def test_the_report_of_an_empty_store_is_empty(tmp_path: Path) -> None:
    store = open_store(tmp_path / "none")
    assert sweep_summaries(store.attempts()) == []
    assert failure_groups(store.final()) == []
    assert runs_report(Dataset(tmp_path / "none")) == RunsReport([], [], [])
    assert suspect_figures_on(Dataset(tmp_path / "none"), "none") == []

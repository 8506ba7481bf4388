"""Writing a store: what becomes of an attempt, when it is written, and what a failure leaves."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from results_cells import ITEM, METRIC, NODE, cell, measurement_of, write_attempts

from grid.cells.measurement import Measurement
from grid.errors import StoreLost
from grid.models.artifact import ArtifactFacts
from grid.results import open_store
from grid.results.schema import SCHEMA_VERSION, TABLES, file_schema
from grid.results.store import FLUSH_CELLS, Store, Writer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


TOKEN_USE = (
    "active_parameters", "layers", "experts", "experts_used", "shared_experts", "expert_layers",
    "leading_dense_layers", "expert_parameters", "weight_parts",
)  # fmt: skip
"""Not known of a model without a header."""


def add(writer: Writer, quant: str = "Q4_K_M") -> str:
    planned = cell(quant)
    return writer.add(
        planned, measurement_of(planned), [METRIC], node=NODE, sweep_id="s1", sweep="quick"
    )


def arrow_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.arrow"))


def test_an_attempt_becomes_one_row_with_all_its_fields(tmp_path: Path) -> None:
    planned = cell()
    (attempt_id,) = write_attempts(tmp_path, (planned, measurement_of(planned)))
    (row,) = open_store(tmp_path).attempts().to_pylist(maps_as_pydicts="strict")
    assert row == {
        "attempt_id": attempt_id,
        "cell_id": planned.id,
        "sweep_id": "s1",
        "sweep": "quick",
        "status": "ok",
        "reason": "",
        "started_at": datetime.fromtimestamp(1_800_000_000, UTC),
        "wall_s": 2.5,
        "engine_s": 2.25,
        "measure": "decode",
        "label": "tg128",
        "workload": '{"type":"decode","tokens":128,"depth":0,"repetitions":5,'
        '"precision":0.0,"budget_s":20.0,"part_of":0}',
        "artifact_id": planned.artifact.id,
        "model": "tiny",
        "family": "toy",
        "model_source": "ref:tiny",
        "model_revision": "abc",
        "parameters": 1_500_000,
        "format": "gguf",
        "quant": "Q4_K_M",
        "quantizer": "fake 1",
        "artifact_bytes": 900_000,
        "artifact_sha256": "00ff",
        "bpw_file": 4.8,
        "bpw_layer": 4.5,
        "backend": "fake",
        "engine_version": "1.0",
        "options": '{"flash":true,"threads":2}',
        "scope": NODE.hardware_class,
        "hardware_class": NODE.hardware_class,
        "device_kind": "cpu-avx2",
        "node": "node-a",
        "environment": {"python": "3.11"},
        "context_length": 512,
        "kv_cache": None,
        "origin": "",
        "licence": "",
        "parameters_from": "",
        **dict.fromkeys(TOKEN_USE),
    }


def test_metrics_keep_value_interval_and_method(tmp_path: Path) -> None:
    planned = cell()
    (attempt_id,) = write_attempts(tmp_path, (planned, measurement_of(planned)))
    assert open_store(tmp_path).metrics().to_pylist() == [
        {
            "attempt_id": attempt_id,
            "cell_id": planned.id,
            "name": "decode_tps",
            "value": 11.0,
            "unit": "token/s",
            "low": 8.5,
            "high": 13.5,
            "sd": 1.0,
            "n": 3,
            "method": "mean, Student t",
        }
    ]


def test_samples_keep_series_in_order_and_scalars_as_single_values(tmp_path: Path) -> None:
    planned = cell()
    write_attempts(tmp_path, (planned, measurement_of(planned)))
    samples = open_store(tmp_path).samples().to_pylist()
    assert [(s["name"], s["unit"], s["values"]) for s in samples] == [
        ("decode_tps", "token/s", [10.0, 11.0, 12.0]),
        ("peak_rss_bytes", "bytes", [1e6]),
    ]


def test_items_keep_choice_and_log_likelihoods(tmp_path: Path) -> None:
    planned = cell()
    write_attempts(tmp_path, (planned, measurement_of(planned)))
    (item,) = open_store(tmp_path).items().to_pylist()
    assert (item["chosen"], item["answer"], item["score"]) == (2, 2, 1.0)
    assert item["log_likelihoods"] == list(ITEM.log_likelihoods)


def test_an_attempt_that_ran_nowhere_has_nulls_for_its_node(tmp_path: Path) -> None:
    planned = cell()
    what = Measurement(cell_id=planned.id, status="skipped", reason="needs 9 GiB, there are 4")
    with Store(tmp_path).writer() as writer:
        writer.add(planned, what, node=None, sweep_id="s1", sweep="quick")
    (row,) = open_store(tmp_path).attempts().to_pylist()
    assert [row[name] for name in ("node", "hardware_class", "started_at")] == [None] * 3


def test_artifact_facts_learned_after_planning_are_stored(tmp_path: Path) -> None:
    planned = cell()
    facts = ArtifactFacts(bytes=7, sha256="aa", bpw_file=2.0, bpw_layer=1.0, elements=28)
    with Store(tmp_path).writer() as writer:
        writer.add(
            planned, measurement_of(planned), node=NODE, sweep_id="s", sweep="q", facts=facts
        )
    assert open_store(tmp_path).attempts()["artifact_bytes"].to_pylist() == [7]


def test_text_that_is_not_unicode_does_not_lose_the_attempt(tmp_path: Path) -> None:
    planned = cell()
    what = Measurement(cell_id=planned.id, status="error", reason="bad path \udcff\nsecond line")
    with Store(tmp_path).writer() as writer:
        writer.add(planned, what, node=NODE, sweep_id="s", sweep="q")
    reason = open_store(tmp_path).attempts()["reason"].to_pylist()
    assert reason == ["bad path \\udcff second line"]


def test_files_say_their_table_and_schema_version(tmp_path: Path) -> None:
    write_attempts(tmp_path, (cell(), measurement_of(cell())))
    for name in arrow_files(tmp_path):
        with pa.memory_map(str(tmp_path / name)) as source:
            schema = pa.ipc.open_file(source).schema
        table = name.split("-")[0]
        assert schema.equals(file_schema(table), check_metadata=True)
        assert schema.metadata[b"quantgrid.schema"] == str(SCHEMA_VERSION).encode()


def test_one_file_a_table_and_flush_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_attempts(
        tmp_path,
        (cell("Q4_0"), measurement_of(cell("Q4_0"))),
        (cell("Q8_0"), measurement_of(cell("Q8_0"))),
    )
    assert [name.split("-")[0] for name in arrow_files(tmp_path)] == sorted(TABLES)
    assert len(list(tmp_path.iterdir())) == len(TABLES)


def test_rows_are_written_five_seconds_after_the_first(tmp_path: Path) -> None:
    clock = Clock()
    with Store(tmp_path).writer(clock) as writer:
        add(writer, "Q4_0")
        clock.now = 4.9
        writer.tick()
        assert arrow_files(tmp_path) == []
        clock.now = 5.0
        writer.tick()
        assert open_store(tmp_path).attempts().num_rows == 1


def test_a_full_buffer_is_written_at_once(tmp_path: Path) -> None:
    with Store(tmp_path).writer(Clock()) as writer:
        for _ in range(FLUSH_CELLS):
            assert arrow_files(tmp_path) == []
            add(writer)
        assert open_store(tmp_path).attempts().num_rows == FLUSH_CELLS
        assert writer.pending == 0


def test_leaving_writes_the_rest_even_when_interrupted(tmp_path: Path) -> None:
    def interrupted_sweep() -> None:
        with Store(tmp_path).writer(Clock()) as writer:
            add(writer)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_sweep()
    assert open_store(tmp_path).attempts().num_rows == 1


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A real failing disk: the kernel refuses to write beyond `size` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(10, id="the lock cannot be renewed"),
        pytest.param(1500, id="the first table cannot be written"),
        pytest.param(6000, id="the last table cannot be written"),
    ],
)
def test_a_disk_that_takes_no_more_ends_in_store_lost_with_earlier_rows_intact(
    tmp_path: Path, size: int
) -> None:
    with Store(tmp_path).writer(Clock()) as writer:
        add(writer, "Q4_0")
        writer.flush()
        before = sorted(os.listdir(tmp_path))
        add(writer, "Q8_0")
        with files_no_larger_than(size), pytest.raises(StoreLost) as lost:
            writer.flush()
        assert sorted(os.listdir(tmp_path)) == before
    assert "takes no more rows" in str(lost.value)
    assert "\n" not in str(lost.value)
    assert lost.value.exit_code == 3
    results = open_store(tmp_path)
    assert results.attempts()["quant"].to_pylist() == ["Q4_0"]
    assert results.metrics().num_rows == 1
    assert results.problems == []


def test_a_writer_that_lost_its_store_takes_no_more_rows(tmp_path: Path) -> None:
    with Store(tmp_path).writer(Clock()) as writer:
        add(writer)
        with files_no_larger_than(10), pytest.raises(StoreLost):
            writer.flush()
        with pytest.raises(StoreLost):
            add(writer)


def test_children_without_their_attempt_are_not_seen(tmp_path: Path) -> None:
    write_attempts(tmp_path, (cell("Q4_0"), measurement_of(cell("Q4_0"))))
    first = set(arrow_files(tmp_path))
    write_attempts(tmp_path, (cell("Q8_0"), measurement_of(cell("Q8_0"))))
    (attempts,) = (n for n in set(arrow_files(tmp_path)) - first if n.startswith("attempts"))
    (tmp_path / attempts).unlink()
    results = open_store(tmp_path)
    assert [results.metrics().num_rows, results.samples().num_rows] == [1, 2]
    assert results.items()["cell_id"].to_pylist() == [cell("Q4_0").id]

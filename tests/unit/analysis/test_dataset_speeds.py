"""What predictions and lists of variants read of a store, without reading all of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from analysis_cases import Rows
from dataset_cases import write
from hypothesis import given, settings
from test_dataset import stores

from grid.advice import Ask
from grid.advice.hardware import machine_of
from grid.advice.prediction import observations_of
from grid.advice.relevant_classes import relevant_classes
from grid.analysis.dataset import Dataset
from grid.analysis.dataset.speeds import LEAST, RATES


@settings(max_examples=40, deadline=None)
@given(stores())
def test_a_sample_of_few_rates_has_them_all(rows: Rows) -> None:
    with TemporaryDirectory() as folder:
        data = Dataset(write(rows, Path(folder) / "store", 2))
        every = [member for member in data.all_variants() if member.decode or member.prefill]
        learned, wanted = observations_of(data.speed_sample()), observations_of(every)
        assert sorted(learned, key=repr) == sorted(wanted, key=repr)


@settings(max_examples=40, deadline=None)
@given(stores())
def test_named_variants_are_those_with_figures(rows: Rows) -> None:
    with TemporaryDirectory() as folder:
        data = Dataset(write(rows, Path(folder) / "store", 2))
        named = {(v.id, v.model, v.quant, v.device_kind) for v in data.named_variants()}
        assert named == {(v.id, v.model, v.quant, v.device_kind) for v in data.all_variants()}


def crowded(classes: int, each: int) -> Rows:
    rows = Rows()
    for i in range(classes):
        for j in range(each):
            rows.decode(
                [1.0 + i],
                quant=("Q8_0", "Q4_K_M", "Q2_K")[j % 3],
                artifact_id=f"{j:03}",
                hardware_class=f"class {i:02}",
                device_kind=("cpu-avx2", "cuda-sm89")[i % 2],
            )
    return rows


def test_a_sample_of_many_rates_has_a_share_of_each_class(tmp_path: Path) -> None:
    sample = Dataset(write(crowded(2, RATES), tmp_path)).speed_sample()
    assert len(sample) == RATES
    for name in ("class 00", "class 01"):
        quants = [member.quant for member in sample if member.hardware_class == name]
        assert len(quants) == RATES // 2
        assert {quants.count(quant) for quant in quants} == {RATES // 6}


def test_a_sample_of_many_classes_has_some_of_each_device_kind(tmp_path: Path) -> None:
    sample = Dataset(write(crowded(2 * RATES // LEAST, LEAST), tmp_path)).speed_sample()
    assert len(sample) == RATES
    kinds = [member.device_kind for member in sample]
    assert kinds.count("cpu-avx2") == kinds.count("cuda-sm89") == RATES // 2


@pytest.fixture
def fleet(tmp_path: Path) -> Dataset:
    """Three machines of one kind, the last with an artifact of its own, and one of another."""
    rows = Rows()
    for i, (place, kind) in enumerate(
        (("a", "cpu-avx2"), ("b", "cpu-avx2"), ("c", "cpu-avx2"), ("d", "cuda-sm89"))
    ):
        location = {"hardware_class": place, "device_kind": kind}
        for quant in ("F16", "Q8_0")[: 2 if i < 2 else 1]:
            rows.decode([1.0], quant=quant, **location)
        rows.tasks("math", [1.0, 0.0], **location)
    rows.decode([1.0], quant="Q2_K", hardware_class="c", device_kind="cpu-avx2")
    return Dataset(write(rows, tmp_path))


def names(data: Dataset, ask: Ask) -> list[str]:
    return relevant_classes(data, machine_of(data.classes, ask), ask)


def test_a_class_that_adds_no_artifact_is_not_read(fleet: Dataset) -> None:
    assert names(fleet, Ask(hardware="b")) == ["b", "c"]


def test_a_chip_needs_the_classes_of_its_platform(fleet: Dataset) -> None:
    assert names(fleet, Ask(chip="RTX 4090")) == ["d"]


def test_an_imported_class_stands_alone(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0], hardware_class="x [tool]", origin="tool")
    rows.decode([1.0], hardware_class="mine")
    data = Dataset(write(rows, tmp_path))
    assert names(data, Ask(hardware="x [tool]")) == ["x [tool]"]


def test_several_threads_read_the_same_rows(tmp_path: Path) -> None:
    write(crowded(6, 20), tmp_path, files=12)
    wanted = {
        name: Dataset(tmp_path).results.read("metrics", ("name", "value"), ids).num_rows
        for name, ids in _by_class(Dataset(tmp_path)).items()
    }
    assert set(wanted.values()) == {20}
    for _ in range(5):
        data = Dataset(tmp_path)
        classes = _by_class(data)
        with ThreadPoolExecutor(8) as pool:
            read = [
                (name, pool.submit(data.results.read, "metrics", ("name", "value"), ids))
                for name, ids in [*classes.items()] * 3
            ]
            assert {(name, future.result().num_rows) for name, future in read} == set(
                wanted.items()
            )


def _by_class(data: Dataset) -> dict[str, object]:
    rows = data.overview.attempts
    return {
        hardware_class.name: rows.filter(
            [name == hardware_class.name for name in rows["hardware_class"].to_pylist()]
        )["attempt_id"].combine_chunks()
        for hardware_class in data.classes
    }

"""Where each figure of an advice is from: here, a similar class, a prediction, somebody else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from advice_cases import (
    BIGGER,
    FOREIGN_CLASS,
    OWN_CLASS,
    add_quality,
    add_speed,
    facts,
    family,
    picked_quant,
    reasons_by_quant,
    write_store,
)
from analysis_cases import SIZES, Rows

from grid.advice import Ask, recommend
from grid.advice.advice import (
    CAPABILITY,
    DECODE,
    MEASURED_HERE,
    MEASURED_ON_SIMILAR,
    MEMORY,
    PREDICTED,
    PUBLISHED,
    TTFT,
)
from grid.analysis.dataset import Dataset
from grid.results.imports import published_store
from grid.units import GIB


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(family(), tmp_path_factory.mktemp("family"))


def test_each_figure_of_a_measured_pick_says_measured_here(measured: Dataset) -> None:
    pick = recommend(measured).pick
    assert pick is not None
    assert {name: figure.evidence.kind for name, figure in pick.figures.items()} == dict.fromkeys(
        (CAPABILITY, DECODE, TTFT, MEMORY), MEASURED_HERE
    )


def test_quality_of_the_same_device_kind_is_exact_and_says_where_it_is_from(tmp_path: Path) -> None:
    rows = Rows()
    for quant in SIZES:
        add_speed(rows, quant)
        add_quality(rows, quant, hardware=FOREIGN_CLASS)
    pick = recommend(write_store(rows, tmp_path), Ask(hardware="EPYC")).pick
    assert pick is not None
    assert pick.figures[DECODE].evidence.kind == MEASURED_HERE
    evidence = pick.figures[CAPABILITY].evidence
    assert evidence.kind == MEASURED_ON_SIMILAR
    assert FOREIGN_CLASS in evidence.text
    assert "same device kind" in evidence.text


CARD = "Intel Core i9, 24 cores, 1x NVIDIA GeForce RTX 4090 24 GiB, 64 GiB, 32-64 GB/s"


def quality_here_and_speed_on_a_card() -> Rows:
    rows = Rows()
    for quant in SIZES:
        add_quality(rows, quant)
        add_speed(rows, quant, hardware=CARD, device_kind="cuda-sm89")
    rows.quality(0.0, **facts("F16"))
    return rows


@pytest.mark.parametrize("ask", [Ask(hardware="4090"), Ask(chip="RTX 4090")])
def test_where_no_tasks_were_run_quality_is_that_of_the_nearest_kind(
    tmp_path: Path, ask: Ask
) -> None:
    advice = recommend(write_store(quality_here_and_speed_on_a_card(), tmp_path), ask)
    assert picked_quant(advice) == "Q8_0"
    assert advice.pick is not None
    assert advice.pick.figures[DECODE].value == pytest.approx(40, rel=0.01)
    assert advice.pick.figures[DECODE].evidence.kind == (
        MEASURED_HERE if ask.hardware else MEASURED_ON_SIMILAR
    )
    assert advice.pick.figures[CAPABILITY].evidence.text == f"measured on {OWN_CLASS} (cpu-avx2)"
    assert any("quality was measured on cpu-avx2, not on" in note for note in advice.notes)


def test_speed_of_a_class_that_differs_in_memory_only_is_taken(tmp_path: Path) -> None:
    rows = Rows()
    add_quality(rows, "Q8_0")
    add_quality(rows, "Q4_K_M")
    add_speed(rows, "Q4_K_M")
    add_speed(rows, "Q8_0", hardware=BIGGER)
    pick = recommend(write_store(rows, tmp_path), Ask(hardware=OWN_CLASS)).pick
    assert pick is not None
    assert pick.variant.quant == "Q8_0"
    assert pick.figures[DECODE].evidence.kind == MEASURED_ON_SIMILAR
    assert BIGGER in pick.figures[DECODE].evidence.text
    assert pick.figures[DECODE].value == pytest.approx(40, rel=0.01)


def test_a_chip_that_nobody_measured_gets_predictions_marked_as_such(measured: Dataset) -> None:
    advice = recommend(measured, Ask(chip="RTX 4090"))
    assert advice.pick is not None
    figure = advice.pick.figures[DECODE]
    assert figure.evidence.kind == PREDICTED
    assert re.search(
        r"; median error \d+ % with a class or its source left out", figure.evidence.text
    )
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high
    assert any("quality was measured on cpu-avx2" in note for note in advice.notes)
    assert advice.replay == f"grid sweep --store {measured.display_name}"


def test_a_named_card_that_a_measured_class_has_is_measured_on_a_like_class(tmp_path: Path) -> None:
    rows = family(hardware=CARD, device_kind="cuda-sm89")
    dataset = write_store(rows, tmp_path)
    same = recommend(dataset, Ask(chip="RTX 4090")).pick
    assert same is not None
    assert same.figures[DECODE].evidence.kind == MEASURED_ON_SIMILAR
    assert CARD in same.figures[DECODE].evidence.text
    laptop = recommend(dataset, Ask(chip="RTX 4090 Mobile")).pick
    assert laptop is not None
    assert laptop.figures[DECODE].evidence.kind == PREDICTED


def test_a_predicted_rate_meets_a_limit_only_where_most_of_its_draws_do(measured: Dataset) -> None:
    ask = Ask(memory_bytes=8 * GIB, bandwidth_bytes_s=50e9)
    plain = recommend(measured, ask)
    assert plain.pick is not None
    figure = plain.pick.figures[DECODE]
    assert figure.low is not None
    demanding = Ask(
        memory_bytes=8 * GIB, bandwidth_bytes_s=50e9, min_decode_tps=figure.value, max_bytes=9_000
    )
    limited = recommend(measured, demanding)
    lost = reasons_by_quant(limited)["Q8_0"]
    assert "holds with probability 0." in lost


def test_imported_figures_are_no_candidates_unless_asked_for(tmp_path: Path) -> None:
    rows = family()
    about = {"artifact_id": "theirs", "model": "theirs", "origin": "a table"}
    add_speed(rows, "Q8_0", hardware="box [a table]", **about)
    add_quality(rows, "Q8_0", hardware="box [a table]", classes={"math": 100}, **about)
    dataset = write_store(rows, tmp_path)
    own = recommend(dataset, Ask(hardware=OWN_CLASS))
    assert all(not candidate.variant.origin for candidate in own.candidates)
    also = recommend(dataset, Ask(hardware=OWN_CLASS, imported=True))
    assert also.pick is not None
    assert also.pick.variant.model == "theirs"
    assert also.pick.figures[CAPABILITY].evidence.kind == PUBLISHED
    assert any("third-party" in note for note in also.notes)


def test_a_rate_at_depth_stands_in_for_one_from_an_empty_context(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([2.0, 2.02], depth=300, **facts("Q8_0"))
    add_quality(rows, "Q8_0")
    pick = recommend(write_store(rows, tmp_path)).pick
    assert pick is not None
    assert pick.figures[DECODE].value == pytest.approx(50, rel=0.01)
    assert pick.figures[DECODE].evidence.text == "measured here, after 300 tokens of context"


def test_advice_on_published_tables_is_marked_third_party(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path))
    advice = recommend(Dataset(published_store()), Ask(hardware="M4 Max"))
    assert advice.pick is not None
    assert advice.pick.figures[CAPABILITY].evidence.kind == PUBLISHED
    assert advice.pick.figures[DECODE].evidence.kind == PUBLISHED
    assert advice.sure is None
    assert "M4 Max" in advice.hardware
    assert "imported from" in advice.replay


def test_an_imported_class_is_advised_on_from_its_own_rows(tmp_path: Path) -> None:
    rows = family(hardware="box [a table]", origin="a table")
    advice = recommend(write_store(rows, tmp_path), Ask(hardware="box"))
    assert advice.pick is not None
    assert advice.pick.figures[DECODE].evidence.kind == PUBLISHED
    assert any("memory is no limit here" in note for note in advice.notes)


def test_most_capable_variant_of_a_device_kind_is_picked_even_if_never_run_on_the_class(
    tmp_path: Path,
) -> None:
    rows = family()
    add_quality(
        rows, "F16", hardware=FOREIGN_CLASS, classes={"math": 100}, model="rare", artifact_id="rare"
    )
    advice = recommend(write_store(rows, tmp_path), Ask(hardware=OWN_CLASS))
    assert advice.pick is not None
    assert advice.pick.variant.model == "rare"
    assert advice.pick.figures[DECODE].evidence.kind == PREDICTED

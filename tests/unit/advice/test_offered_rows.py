"""Rows of backends for tests are offered to nobody who did not ask for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, add_quality, add_speed, picked_quant, write_store
from analysis_cases import SIZES, Rows

from grid.advice import Ask, recommend
from grid.advice.offered_rows import note_on_test_backends, offered_rows
from grid.analysis.dataset import Dataset
from grid.backend.registry import is_for_tests
from grid.cli.report import report
from grid.cli.show import show
from grid.cli.stored_variants import stored_variants

ENGINE, FOR_TESTS = "llamacpp", "fake"


def store(folder: Path, **models: str) -> Dataset:
    """Models by the name of the backend that measured them."""
    rows = Rows()
    for model, backend in models.items():
        for quant in SIZES:
            about = {
                "model": model,
                "backend": backend,
                "artifact_id": f"{model}-{quant}",
                "model_source": f"{model}.gguf",
            }
            add_speed(rows, quant, **about)
            add_quality(rows, quant, **about)
    return write_store(rows, folder / "store")


def test_a_backend_declares_that_it_is_for_tests() -> None:
    assert is_for_tests(FOR_TESTS)
    assert not is_for_tests(ENGINE)
    assert not is_for_tests("not-installed")


def test_neither_the_pick_nor_a_rival_is_of_a_backend_for_tests(tmp_path: Path) -> None:
    advice = recommend(store(tmp_path, toy=FOR_TESTS, base=ENGINE), Ask(hardware=OWN_CLASS))
    assert picked_quant(advice) == "Q8_0"
    assert {candidate.variant.backend for candidate in advice.candidates} == {ENGINE}


def test_tables_leave_it_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = store(tmp_path, toy=FOR_TESTS, base=ENGINE).display_name
    show(name, as_json=True)
    assert '"toy"' not in capsys.readouterr().out
    show(name, model=["toy"], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert {point["model"] for point in shown[OWN_CLASS]["frontiers"][0]["points"]} == {"toy"}


def test_variants_to_compare_leave_it_out_unless_it_is_named(tmp_path: Path) -> None:
    name = store(tmp_path, toy=FOR_TESTS, base=ENGINE).display_name
    assert {variant.backend for variant in stored_variants(name)} == {ENGINE}
    assert {variant.backend for variant in stored_variants(name)} == {ENGINE}  # as it was kept
    assert {v.backend for v in stored_variants(name, of_tests=True)} == {ENGINE, FOR_TESTS}


def test_names_that_are_kept_beside_the_store_are_those_that_are_offered(tmp_path: Path) -> None:
    whole = store(tmp_path, toy=FOR_TESTS, base=ENGINE)
    assert {variant.model for variant in whole.named_variants()} == {"toy", "base"}  # kept
    offered = offered_rows(Dataset(whole.display_name))
    assert {variant.model for variant in offered.named_variants()} == {"base"}


def test_the_report_leaves_it_out(tmp_path: Path) -> None:
    name = store(tmp_path, toy=FOR_TESTS, base=ENGINE).display_name
    report(tmp_path / "report.html", store=name)
    assert "toy" not in (tmp_path / "report.html").read_text()


def test_its_model_is_answered_when_it_is_named(tmp_path: Path) -> None:
    dataset = store(tmp_path, toy=FOR_TESTS, base=ENGINE)
    advice = recommend(dataset, Ask(hardware=OWN_CLASS, model="toy"))
    assert advice.pick is not None
    assert advice.pick.variant.model == "toy"
    assert note_on_test_backends(dataset) in advice.notes


def test_a_store_that_has_nothing_else_is_shown_as_it_is(tmp_path: Path) -> None:
    dataset = store(tmp_path, toy=FOR_TESTS)
    assert offered_rows(dataset) is dataset
    assert "fake is a backend for tests" in note_on_test_backends(dataset)

"""Why the pick is neither what scored best nor something smaller: said by `show` and `--why`."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, add_ladder, add_quality, add_speed, write_store
from analysis_cases import SIZES, Rows

from grid.advice import Ask, recommend
from grid.advice.sentences import smallest_text, tie_text
from grid.analysis.dataset import Dataset
from grid.cli.show import show
from grid.cli.views.recommend import show_advice

RIGHT = {"F16": 91, "Q8_0": 90, "Q4_K_M": 84, "Q2_K": 40}
"""Of 100: the largest scores best by an answer, and Q4_K_M cannot surely be told from it."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rows = Rows()
    for quant in SIZES:
        add_speed(rows, quant)
        add_quality(rows, quant, classes={"math": RIGHT[quant]})
    return write_store(rows, tmp_path / "store")


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_tie_says_what_scored_higher_and_what_counts_as_a_tie(dataset: Dataset) -> None:
    advice = recommend(dataset, Ask(hardware=OWN_CLASS))
    assert advice.pick is not None
    assert advice.best is not None
    assert advice.gap is not None
    assert advice.pick.variant.quant == "Q8_0"
    assert advice.best.variant.quant == "F16"
    text = tie_text(advice)
    assert f"base F16 scored {advice.gap.value:.3f} higher" in text
    assert f"{advice.expected_loss:.2g} is expected to remain" in text
    assert text.endswith("up to 0.01 counts as a tie (--tolerance)")


def test_a_smaller_variant_that_may_be_as_good_is_named_with_its_expected_loss(
    dataset: Dataset,
) -> None:
    text = smallest_text(recommend(dataset, Ask(hardware=OWN_CLASS)))
    assert text.startswith("base Q4_K_M, 3.52 KiB smaller: expected to lose ")
    assert "that counts as a tie" in text


def test_show_and_why_say_both(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    advice = recommend(dataset, Ask(hardware=OWN_CLASS))
    show(dataset.display_name)
    shown = words(capsys.readouterr().out)
    show_advice(dataset.display_name, Ask(hardware=OWN_CLASS), why=True)
    explained = words(capsys.readouterr().out)
    for text in (tie_text(advice), smallest_text(advice)):
        assert text
        assert text in shown
        assert text in explained


def test_why_names_measurements_beside_other_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows()
    for quant in SIZES:
        add_speed(rows, quant, environment=[("other_cpu_share", "0.5")])
        add_quality(rows, quant)
    store = write_store(rows, tmp_path / "store").display_name
    show_advice(store, Ask(hardware=OWN_CLASS), why=True)
    explained = words(capsys.readouterr().out)
    assert "suspect measurements: " in explained
    assert "other programs used 50% of the machine" in explained
    assert "Rerun when idle: `grid sweep --store " in explained


def test_nothing_is_called_both_a_tie_and_worse(
    dataset: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    advice = recommend(dataset, Ask(hardware=OWN_CLASS))
    assert advice.smallest is not None
    loser = advice.smallest.label
    assert "expected to lose" in smallest_text(advice)
    show(dataset.display_name)
    shown = words(capsys.readouterr().out)
    assert f"ties with {loser}" not in shown
    assert f"expected to be better than {loser}, which is smaller and not surely worse" in shown


def test_the_first_screen_says_what_its_notes_are_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows()
    add_ladder(rows)
    store = write_store(rows, tmp_path / "ladder").display_name
    show_advice(store, Ask(hardware=OWN_CLASS))
    assert "1 note: task scores were not measured" in capsys.readouterr().out

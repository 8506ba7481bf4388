"""Advice on a model of which nothing but KLD is known, and KLD beside tasks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from advice_cases import (
    FOREIGN_CLASS,
    OWN_CLASS,
    RATES,
    add_ladder,
    add_quality,
    add_speed,
    answers,
    facts,
    picked_quant,
    reasons_by_quant,
    write_store,
)
from analysis_cases import SIZES, Rows

from grid.advice import Ask, recommend
from grid.advice.sentences import certainty_text, headline, quality_text, smallest_text
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.errors import InputError

OWN = Ask(hardware=OWN_CLASS)


@pytest.fixture
def ladder(tmp_path: Path) -> Dataset:
    rows = Rows()
    add_ladder(rows)
    return write_store(rows, tmp_path / "ladder")


@pytest.fixture
def two_models(tmp_path: Path) -> Dataset:
    rows = Rows()
    add_ladder(rows, model="one")
    add_ladder(rows, model="two")
    return write_store(rows, tmp_path / "two")


class TestDivergenceAlone:
    def test_the_closest_within_the_limits_is_advised(self, ladder: Dataset) -> None:
        assert (
            picked_quant(recommend(ladder, OWN)) == "Q8_0"
        )  # 0.004 nat is too little to choose by
        small = Ask(hardware=OWN_CLASS, max_bytes=9000)
        assert picked_quant(recommend(ladder, small)) == "Q8_0"
        fast = Ask(hardware=OWN_CLASS, min_decode_tps=RATES["Q4_K_M"] * 0.95)
        assert picked_quant(recommend(ladder, fast)) == "Q4_K_M"

    def test_the_answer_says_what_ranks_and_that_tasks_are_missing(self, ladder: Dataset) -> None:
        advice = recommend(ladder, Ask(hardware=OWN_CLASS, max_bytes=9000))
        assert headline(advice) == "run base Q8_0 in llamacpp"
        assert "closeness to 16 bits, by KL divergence" in quality_text(advice)
        assert "task scores of base were not measured" in quality_text(advice)
        assert any(note.startswith("task scores were not measured") for note in advice.notes)
        assert "better by more than 0.01 nat" in certainty_text(advice)
        assert advice.sure is not None
        assert advice.sure > 0.97
        assert smallest_text(advice) == ""

    def test_rivals_and_steps_speak_of_divergence(self, ladder: Dataset) -> None:
        advice = recommend(ladder, Ask(hardware=OWN_CLASS, max_bytes=9000))
        reason = reasons_by_quant(advice)["Q2_K"]
        assert reason.startswith(
            "KLD 0.4 nat against 0.004 nat of base Q8_0, surely more than 0.01 nat"
        )
        up, down = advice.steps
        assert (up.candidate.variant.quant, down.candidate.variant.quant) == ("F16", "Q4_K_M")
        assert up.capability is None
        assert up.kld is not None
        assert up.kld.value == pytest.approx(-0.004)
        assert "KLD +0.051" in down.text
        size = next(cost for cost in advice.costs if cost.limit == "max_bytes")
        assert "base F16" not in size.text
        assert advice.runner_up is not None
        assert advice.runner_up.variant.quant == "Q4_K_M"
        assert [lost.variant.quant for lost in advice.rivals] == ["F16", "Q4_K_M", "Q2_K"]

    def test_json_has_the_axis_and_no_weights(self, ladder: Dataset) -> None:
        data = to_data(recommend(ladder, OWN))
        assert data["quality"]["axis"] == "kld_mean"
        assert data["quality"]["model"] == "base"
        assert data["weights"] == {}
        assert data["pick"]["figures"]["KLD from 16 bits"]["value"] == pytest.approx(0.004)
        assert "capability" not in data["pick"]["figures"]
        assert data["smallest_tied"]["quant"] == "Q8_0"
        msgspec.json.encode(data)

    def test_another_machine_gets_the_same_order(self, ladder: Dataset) -> None:
        ask = Ask(memory_bytes=80_000, bandwidth_bytes_s=1e9, reserved_bytes=0, context=100)
        assert picked_quant(recommend(ladder, ask)) == "Q8_0"
        near = Ask(memory_bytes=30_000, bandwidth_bytes_s=1e9, reserved_bytes=0, context=100)
        assert picked_quant(recommend(ladder, near)) == "Q8_0"

    def test_a_share_of_16_bits_needs_tasks(self, ladder: Dataset) -> None:
        advice = recommend(ladder, Ask(hardware=OWN_CLASS, min_share=0.95))
        assert advice.pick is None
        assert headline(advice).startswith("nothing can be said")
        assert "a share of the 16-bit capability is not known without tasks" in advice.notes

    def test_weights_of_tasks_are_refused(self, ladder: Dataset) -> None:
        with pytest.raises(InputError, match="no variant that could run there has a capability"):
            recommend(ladder, Ask(hardware=OWN_CLASS, weights={"math": 1.0}))

    @pytest.mark.parametrize(("chunks", "text"), [(1, "of 1 chunk of text"), (4, "4 chunks")])
    def test_few_chunks_are_noted(self, tmp_path: Path, chunks: int, text: str) -> None:
        rows = Rows()
        add_ladder(rows, chunks)
        advice = recommend(write_store(rows, tmp_path / "few"), Ask(max_bytes=9000))
        assert picked_quant(advice) == "Q8_0"
        assert any(text in note for note in advice.notes)
        assert (advice.sure is None) == (chunks == 1)


class TestModels:
    def test_models_without_tasks_do_not_compare(self, two_models: Dataset) -> None:
        with pytest.raises(
            InputError, match=r"choose one with --model \(one, two\), or measure tasks"
        ):
            recommend(two_models, OWN)

    def test_a_chosen_model_is_advised_on(self, two_models: Dataset) -> None:
        advice = recommend(two_models, Ask(hardware=OWN_CLASS, model="two", max_bytes=9000))
        assert advice.pick is not None
        assert advice.pick.label == "two Q8_0"
        assert {candidate.variant.model for candidate in advice.candidates} == {"two"}

    def test_an_unknown_model_gets_the_nearest_name(self, two_models: Dataset) -> None:
        with pytest.raises(InputError, match=r"'tow'.*Did you mean 'two'"):
            recommend(two_models, Ask(hardware=OWN_CLASS, model="tow"))

    def test_figures_of_others_are_advised_on_alone(self, tmp_path: Path) -> None:
        rows = Rows()
        add_ladder(rows)
        add_ladder(rows, hardware=FOREIGN_CLASS, origin="a table")
        dataset = write_store(rows, tmp_path / "both")
        advice = recommend(dataset, Ask(hardware=FOREIGN_CLASS, max_bytes=9000))
        assert picked_quant(advice) == "Q8_0"
        assert {c.variant.origin for c in advice.candidates} == {"a table"}


class TestDivergenceBesideTasks:
    def test_few_items_do_not_make_the_smallest_the_best(self, tmp_path: Path) -> None:
        rows = Rows()
        add_ladder(rows)
        for quant in SIZES:
            rows.tasks("math", answers(5, 20), **facts(quant))
        advice = recommend(write_store(rows, tmp_path / "few"), Ask(max_bytes=9000))
        assert picked_quant(advice) == "Q8_0"
        assert advice.quality.axis == "capability"
        assert "further from 16 bits: KLD 0.4 nat" in reasons_by_quant(advice)["Q2_K"]
        assert smallest_text(advice) == (
            "base Q2_K, 5.37 KiB smaller: no sure difference in capability, but further from 16 "
            "bits: KLD 0.4 nat against 0.004 nat of base Q8_0"
        )

    def test_a_model_without_tasks_is_named_and_loses_to_none(self, tmp_path: Path) -> None:
        rows = Rows()
        add_ladder(rows, model="other")
        for quant in SIZES:
            add_speed(rows, quant)
            add_quality(rows, quant)
        advice = recommend(write_store(rows, tmp_path / "mixed"), OWN)
        assert advice.pick is not None
        assert advice.pick.variant.model == "base"
        unmeasured = [lost for lost in advice.rejected if lost.kind == "unmeasured"]
        assert {lost.variant.model for lost in unmeasured} == {"other"}

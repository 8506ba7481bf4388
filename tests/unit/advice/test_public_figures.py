"""Advice without a store: from public shapes, a published ladder and predicted rates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import grid
from grid.advice import Ask
from grid.advice.public_figures import (
    BASIS,
    ModelOffer,
    PublicAnswer,
    PublishedLoss,
    RatedOffer,
    public_answer,
    public_data,
)
from grid.advice.public_figures import answer as answer_module
from grid.advice.public_figures import offers as offers_module
from grid.advice.public_figures.answer import LITTLE, SPARE
from grid.advice.public_figures.offers import ALIKE
from grid.advice.public_figures.published_loss import published_losses
from grid.cli.views.recommend import show_advice
from grid.errors import InputError
from grid.hardware.probe import probe_node
from grid.models.public import find_model
from grid.units import GIB

BUDGETS = (8, 12, 16, 24, 32, 48, 64, 96, 128)


def answer(**fields: object) -> PublicAnswer:
    return public_answer(Ask(**fields))  # type: ignore[arg-type]


def pick(**fields: object) -> ModelOffer:
    rated = answer(**fields).pick
    assert rated is not None
    return rated.offer


@pytest.mark.parametrize("memory", BUDGETS)
def test_pick_fits_with_its_cache_and_loses_little(memory: int) -> None:
    result = answer(memory_bytes=memory * GIB)
    assert result.basis == BASIS == "from public figures; nothing measured here"
    assert result.pick is not None
    offer = result.pick.offer
    assert offer.total <= (1 - SPARE) * result.machine.budget_bytes
    assert offer.kv == offer.model.kv_bytes(4096)
    assert offer.room >= 4096
    assert offer.kld is not None
    assert offer.kld <= LITTLE
    assert [place.name for place in result.places] == [
        f"a Mac with {memory} GiB", f"a CPU with {memory} GiB"
    ]  # fmt: skip


def test_more_memory_never_gives_a_smaller_model() -> None:
    sizes = [pick(memory_bytes=memory * GIB).model.parameters for memory in BUDGETS]
    assert all(large > small / ALIKE for small, large in pairwise(sizes))
    assert sizes[-1] > 10 * sizes[0]


def test_pick_is_the_largest_at_little_loss() -> None:
    """32B at Q4_K_M is 19.8 GB, and 1.1 GB of cache; a Mac of 24 GB lets its GPU have 16 GiB."""
    result = answer(memory_bytes=24 * GIB)
    assert result.pick is not None
    assert result.pick.offer.label == "Qwen3-32B Q4_K_M"
    larger = [rated.offer for rated in result.larger]
    assert [offer.model.name for offer in larger] == ["Llama-3.3-70B"]
    assert all((offer.kld or 0) > LITTLE for offer in larger)
    mac, _ = result.places
    assert mac.budget_bytes == pytest.approx(16 * GIB, rel=1e-6)
    assert mac.pick == "gemma-3-27b IQ4_XS"


def test_of_models_of_one_size_the_newest_leads() -> None:
    """Llama-3.3-70B is three months younger than Qwen2.5-72B, and 3 % smaller."""
    result = answer(memory_bytes=48 * GIB)
    assert result.pick is not None
    assert result.pick.offer.model.name == "Llama-3.3-70B"
    assert result.others[0].offer.model.name == "Qwen2.5-72B"


def test_loss_is_that_of_the_published_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were 4 bits as lossy as 2, the same memory would take a smaller model at more bits."""
    losses = published_losses()
    assert losses["Q4_K_M"].kld == 0.031273
    assert losses["Q4_K_M"].source == "llama.cpp tools/perplexity/README.md"

    def lossy() -> Mapping[str, PublishedLoss]:
        four = {n: replace(v, kld=0.5) for n, v in losses.items() if n.startswith(("Q4", "IQ4"))}
        return {**losses, **four}

    monkeypatch.setattr(offers_module, "published_losses", lossy)
    assert pick(memory_bytes=24 * GIB).label == "Qwen3-30B-A3B Q5_K_M"


def test_context_and_sessions_take_their_cache() -> None:
    alone = pick(memory_bytes=24 * GIB)
    several = pick(memory_bytes=24 * GIB, sessions=3, model=alone.model.name)
    assert several.kv == 3 * alone.kv
    assert several.room < alone.room
    deep = answer(memory_bytes=24 * GIB, context=32_768)
    assert deep.pick is not None
    assert deep.pick.offer.kv == deep.pick.offer.model.kv_bytes(32_768)


def test_a_chip_has_predicted_rates_that_limits_hold() -> None:
    free = answer(chip="RTX 4090")
    assert free.pick is not None
    figure = free.pick.decode
    assert figure is not None
    assert figure.low is not None
    assert figure.evidence.text.startswith("predicted")
    quick = answer(chip="RTX 4090", min_decode_tps=60.0)
    assert quick.pick is not None
    rate = quick.pick.decode
    assert rate is not None
    assert rate.low is not None
    assert rate.low > 0.9 * 60 > figure.value
    assert "rates: predicted" in " ".join(quick.sources)


def test_a_named_model_is_shown_with_its_ladder() -> None:
    result = answer(memory_bytes=48 * GIB, model="Meta-Llama-3.1-8B-Instruct")
    assert result.pick is not None
    assert result.pick.offer.label == "Llama-3.1-8B F16"
    assert [rated.offer.preset for rated in result.others] == [
        "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS"
    ]  # fmt: skip
    assert result.measure == "grid sweep hf:meta-llama/Llama-3.1-8B-Instruct"


def test_what_fits_at_much_loss_only_is_no_pick() -> None:
    result = answer(memory_bytes=24 * GIB, model="Llama-3.3-70B")
    assert result.pick is None
    assert [rated.offer.preset for rated in result.others] == ["IQ2_XXS"]


def test_weights_published_at_few_bits_lose_nothing_by_them() -> None:
    model = find_model("gpt-oss-120b")
    assert model is not None
    offer = pick(memory_bytes=96 * GIB, bandwidth_bytes_s=500e9, model=model.name)
    assert (offer.preset, offer.native, offer.kld) == ("MXFP4_MOE", True, 0.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "name a machine, --chip 'RTX 4090' or --memory 24GB"),
        ({"memory_bytes": GIB / 4}, "nothing fits 219 MiB: SmolLM2-135M IQ2_XXS needs"),
        ({"memory_bytes": 24 * GIB, "context": 200_000}, "lower --context to 131,072"),
        ({"memory_bytes": 24 * GIB, "model": "Qwen3-33B"}, "Did you mean 'Qwen3-32B'"),
        ({"memory_bytes": 24 * GIB, "max_bytes": 10**7}, "no weights are so small: SmolLM2-135M"),
        ({"chip": "RTX 4090", "min_decode_tps": 9000.0}, "nothing surely reaches 9000 token/s"),
        ({"memory_bytes": 24 * GIB, "quant": "awq"}, "llama.cpp's quants only, not 'awq'"),
    ],
)
def test_no_answer_is_one_line_that_says_what_would_be(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError) as error:
        answer(**fields)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_of_main_memory_beside_a_card_the_command_is_named_that_answers_it() -> None:
    notes = answer(chip="RTX 3060 12GB", ram_bytes=64.0 * GIB).notes
    command = "grid recommend --for 30B-A3B --chip 'RTX 3060 12GB' --ram 64GiB"
    assert any(note.endswith(command) for note in notes)


def test_what_no_public_figure_answers_is_said() -> None:
    result = answer(memory_bytes=24 * GIB, min_share=0.95, use="code", min_decode_tps=10.0)
    unanswered = "--min-share, --use, --min-decode"
    assert f"not considered, since no public figure answers it: {unanswered}" in result.notes


def test_offers_are_marked_as_public_figures_in_json() -> None:
    data = public_data(answer(memory_bytes=24 * GIB))
    assert data["basis"] == BASIS
    assert data["pick"]["kld_source"] == "llama.cpp tools/perplexity/README.md"
    assert json.loads(json.dumps(data)) == data


def test_command_without_a_store_answers_and_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = Ask(memory_bytes=24 * GIB)
    show_advice(str(tmp_path / "absent"), ask)
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith(f"try Qwen3-32B Q4_K_M on a card with 24 GiB {BASIS}")
    assert "llama-server -m Qwen3-32B-Q4_K_M.gguf -c 4096" in out
    assert "third-party" in out
    assert "measure grid sweep hf:Qwen/Qwen3-32B" in out
    show_advice(str(tmp_path / "absent"), ask, as_json=True)
    assert json.loads(capsys.readouterr().out)["pick"]["model"] == "Qwen3-32B"
    assert not (tmp_path / "absent").exists()


def test_python_answers_without_a_store_as_the_command_does(tmp_path: Path) -> None:
    result = grid.recommend(tmp_path / "absent", memory_bytes=24 * GIB)
    assert isinstance(result, PublicAnswer)
    assert result.pick is not None
    assert result.pick.label == "Qwen3-32B Q4_K_M"


def test_without_a_machine_an_empty_store_is_answered_for_this_one(tmp_path: Path) -> None:
    answer_here = grid.recommend(tmp_path / "absent")
    assert isinstance(answer_here, PublicAnswer)
    node = probe_node()
    assert answer_here.machine.budget_bytes <= node.memory_bytes + sum(
        card.memory_bytes for card in node.accelerators
    )


def test_pick_comes_with_the_command_that_runs_it() -> None:
    result = answer(memory_bytes=24 * GIB, context=8192, kv_type="q8_0", sessions=2)
    assert result.run.startswith("llama-server -m Qwen3-32B-Q4_K_M.gguf -c 16384 -np 2 -ngl 99")
    assert "-ctk q8_0 -ctv q8_0" in " ".join(result.run.replace("\\", " ").split())
    assert result.make.splitlines()[-1] == (
        "llama-quantize Qwen3-32B-F16.gguf Qwen3-32B-Q4_K_M.gguf Q4_K_M"
    )
    ollama = answer(memory_bytes=24 * GIB, serve="ollama")
    assert "ollama" in ollama.run
    assert answer(memory_bytes=24 * GIB, model="Llama-3.3-70B").run == ""


def test_every_rated_offer_of_an_answer_fits() -> None:
    result = answer(chip="RX 7900 XT")
    rated: list[RatedOffer] = [*result.others, *result.larger]
    assert rated
    free = (1 - SPARE) * result.machine.budget_bytes
    assert all(r.offer.total <= free and r.decode is not None for r in rated)
    assert len(result.others) <= answer_module.OTHERS


def test_a_slow_machine_gets_a_mixture_that_keeps_up_with_a_reader() -> None:
    machine = {"memory_bytes": 24 * GIB, "bandwidth_bytes_s": 27e9, "platform": "cpu"}
    result = answer(**machine)
    assert result.pick is not None
    assert result.pick.decode is not None
    assert result.pick.decode.value >= 5.0 == result.assumed_tps
    assert result.pick.offer.model.active_parameters is not None  # dense ones of that size are slow
    slower = answer(**machine, min_decode_tps=0.1)
    assert slower.pick is not None
    assert slower.pick.decode is not None
    assert slower.pick.decode.value < 5.0
    assert slower.assumed_tps is None


@pytest.mark.parametrize("gb_s", [15, 25, 40])
@pytest.mark.parametrize("memory", [8, 32, 128])
def test_larger_models_are_named_beside_a_pick_for_a_slow_machine(gb_s: int, memory: int) -> None:
    result = answer(memory_bytes=memory * GIB, bandwidth_bytes_s=gb_s * 1e9, platform="cpu")
    assert result.pick is not None
    size = result.pick.offer.model.parameters
    assert result.larger
    assert all(rated.offer.model.parameters >= size for rated in result.larger)

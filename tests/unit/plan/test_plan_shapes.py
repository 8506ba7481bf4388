"""What a model's shapes forbid, or make of a quant, is known before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoint_folders import safetensors_file, write_folder
from hub_fixtures import hub as hub
from hub_server import HubServer
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.cli.views.plan import show_plan
from grid.plan import Plan, estimate, expand, load_sweep
from grid.sweep.merged_plan import MergedPlan

BACKENDS = ("llamacpp", "gptq", "awq", "mlx", "transformers")
WIDTH, INNER, VOCABULARY = 576, 1536, 64
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 2048,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "tie_word_embeddings": True,
}
LINEAR = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (192, WIDTH),
    "self_attn.v_proj": (192, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}
TENSORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "model.embed_tokens.weight": ("F16", (VOCABULARY, WIDTH)),
    "model.norm.weight": ("F16", (WIDTH,)),
    **{
        f"model.layers.{layer}.{name}.weight": ("F16", shape)
        for layer in range(2)
        for name, shape in LINEAR.items()
    },
    **{
        f"model.layers.{layer}.{name}.weight": ("F16", (WIDTH,))
        for layer in range(2)
        for name in ("input_layernorm", "post_attention_layernorm")
    },
}
"""Two layers of the shapes of SmolLM2-135M."""


def write_odd(folder: Path, **changes: Any) -> Path:
    write_folder(folder, TENSORS, {**CONFIG, **changes})
    (folder / "tokenizer.json").write_text("{}")
    return folder


def plan_of(tmp_path: Path, source: str, quants: list[str], tables: str = "") -> Plan:
    path = tmp_path / "s.toml"
    path.write_text(
        f'backends = {json.dumps(list(BACKENDS))}\nmeasures = ["memory"]\n'
        f"quants = {json.dumps(quants)}\n[[models]]\nsource = {json.dumps(source)}\n{tables}"
    )
    return expand(load_sweep(path), {name: backend(name) for name in BACKENDS}, NODE)


def reasons(plan: Plan) -> dict[str, str]:
    """Why quants are skipped; each must have one reason, and no cell that runs."""
    causes = {skip.cell.artifact.quant: skip.reason for skip in plan.skipped}
    assert {(s.cell.artifact.quant, s.reason) for s in plan.skipped} == {*causes.items()}
    assert not causes.keys() & {cell.artifact.quant for cell in plan.cells}
    return causes


GROUPS = {
    "gptq-w4g128": "576 columns are no multiple of the group of 128; gptq-w4g64 works",
    "gptq-w8g128": "576 columns are no multiple of the group of 128; gptq-w8g64 works",
    "awq-w4g128": "576 columns are no multiple of the group of 128; awq-w4g64 works",
    "mlx-4bit-g128": "576 columns are no multiple of the group of 128; mlx-4bit-g64 works",
}
FITTING = {"gptq-w4g64", "gptq-w8g64", "awq-w4g64", "mlx-4bit-g64", "bnb-nf4", "Q2_K", "F16"}


def test_groups_that_do_not_divide_the_columns_are_skipped_with_what_works(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(write_odd(tmp_path / "odd")), [*GROUPS, *sorted(FITTING)])
    assert reasons(plan) == GROUPS
    assert {cell.artifact.quant for cell in plan.cells} == FITTING


def test_shapes_of_a_repository_are_known_from_its_headers(hub: HubServer, tmp_path: Path) -> None:
    config = write_odd(tmp_path / "odd") / "config.json"
    weights = safetensors_file(TENSORS, {"format": "pt"})
    files = {"config.json": config.read_bytes(), "model.safetensors": weights}
    hub.add("owner/odd", {**files, "tokenizer.json": b"{}"})
    assert reasons(plan_of(tmp_path, "hf:owner/odd", ["F16", *GROUPS, "gptq-w4g64"])) == GROUPS


def test_calibration_pieces_longer_than_the_model_knows_are_skipped(tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "odd", max_position_embeddings=192)
    causes = reasons(plan_of(tmp_path, str(folder), ["gptq-w4g64"], "[memory]\ncontext = 128\n"))
    assert causes == {
        "gptq-w4g64": "calibration pieces of 256 tokens are longer than the 192 that the model is "
        "made for; set tokens = 192 in [calibration]"
    }


@pytest.mark.parametrize("quants", [["Q2_K", "Q3_K_S", "Q4_K_M"], ["Q4_K_M", "Q3_K_S", "Q2_K"]])
def test_of_two_quants_with_the_same_tensors_one_is_made_whatever_the_order(
    tmp_path: Path, quants: list[str]
) -> None:
    plan = plan_of(tmp_path, str(write_odd(tmp_path / "odd")), quants)
    assert reasons(plan) == {
        "Q3_K_S": "same tensors as Q2_K for this model (rows of 576 are no multiple of 256)"
    }
    assert {"Q2_K", "Q4_K_M"} <= {cell.artifact.quant for cell in plan.cells}


def test_a_quant_that_is_what_it_says_is_made_rather_than_one_that_falls_back(
    tmp_path: Path,
) -> None:
    """With no row that is a multiple of 256, IQ4_XS is IQ4_NL all through."""
    plan = plan_of(tmp_path, str(write_odd(tmp_path / "odd")), ["IQ4_XS", "IQ4_NL"])
    assert reasons(plan) == {}
    shapes = {name: ("F16", (576, 1504)) for name in TENSORS if "down_proj" in name}
    shapes |= {
        name: ("F16", (1504, 576)) for name in TENSORS if "gate_proj" in name or "up_proj" in name
    }
    config = {**CONFIG, "intermediate_size": 1504, "num_hidden_layers": 2}
    folder = write_folder(tmp_path / "odder", TENSORS | shapes, config)
    (folder / "tokenizer.json").write_text("{}")
    assert reasons(plan_of(tmp_path, str(folder), ["IQ4_XS", "IQ4_NL"])) == {
        "IQ4_XS": "same tensors as IQ4_NL for this model "
        "(rows of 576 and 1504 are no multiple of 256)"
    }


def test_a_plan_says_what_a_quant_falls_back_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(tmp_path, str(write_odd(tmp_path / "odd")), ["Q8_0", "Q4_K_M", "Q3_K_S", "Q2_K"])
    cause = "rows of 576 are no multiple of 256"
    notes = (
        f"odd Q4_K_M: 13 of 15 matrices fall back (11 to Q5_0, 2 to Q8_0); {cause}",
        f"odd Q2_K: 13 of 15 matrices fall back (12 to Q4_0, 1 to Q8_0); {cause}",
    )
    assert set(notes) == set(plan.notes)
    show_plan(plan, estimate(plan), as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["notes"]) == set(notes)
    assert {skip["reason"] for skip in printed["skipped"]} == {
        f"same tensors as Q2_K for this model ({cause})"
    }


def test_a_sweep_says_what_it_does_not_measure_and_why(tmp_path: Path) -> None:
    merged = MergedPlan()
    merged.add("here", plan_of(tmp_path, str(write_odd(tmp_path / "odd")), ["Q3_K_S", "Q2_K"]))
    assert (
        "odd Q3_K_S is not measured: same tensors as Q2_K for this model "
        "(rows of 576 are no multiple of 256)"
    ) in merged.notes()
    assert not any("Q2_K is not measured" in note for note in merged.notes())

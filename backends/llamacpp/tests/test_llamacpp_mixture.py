"""Mixtures of experts in llama.cpp: which buffers their experts go to, and what that takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.memory import weight_buffers
from grid_llamacpp.overrides import TensorOverride, overrides_of
from llamacpp_families import config_of
from llamacpp_random import tokenizer
from llamacpp_synthetic import write_model

from grid.backend import Artifact, Unsupported
from grid.cells.workload import Memory
from grid.errors import InputError
from grid.hardware.node import Accelerator, Node
from grid.models.gguf.inventory_config import from_config

LAYERS = 8


@pytest.fixture(scope="session")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of DeepSeek's architecture: one dense layer, then seven of four experts."""
    folder = tmp_path_factory.mktemp("mixture")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(320)))
    config = {**config_of("deepseek_v2"), "num_experts_per_tok": 2}
    inventory, model = from_config(config)
    return write_model(folder / "mixture-F16.gguf", config, inventory, model, vocabulary=folder)


@pytest.fixture
def card(node: Node) -> Node:
    accelerator = Accelerator(name="card", kind="cuda-sm90", memory_bytes=2**36)
    return msgspec.structs.replace(node, accelerators=(accelerator,))


def described(path: Path) -> Artifact:
    inspection = backend.inspect(path)
    return Artifact(
        model=inspection.model, format="gguf", quant=inspection.quant, facts=inspection.facts
    )


def test_runs_without_overrides_are_called_as_before_there_were_any(node: Node) -> None:
    plain = backend.options({}, node)
    assert backend.options({"cpu_expert_layers": 0, "tensor_overrides": ""}, node) == plain
    assert backend.options({"cpu_expert_layers": 2}, node) == {**plain, "cpu_expert_layers": 2}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("ffn_down_exps", "'ffn_down_exps' is no override; write PATTERN=CPU"),
        ("=CPU", "'=CPU' is no override"),
        ("ffn_(down=CPU", r"'ffn_\(down' is no regular expression"),
        (3, "tensor_overrides = 3: write PATTERN=CPU"),
    ],
)
def test_overrides_that_cannot_be_are_refused(node: Node, value: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        backend.options({"tensor_overrides": value}, node)


def test_overrides_are_the_named_ones_then_experts_of_the_first_layers(node: Node) -> None:
    options = backend.options(
        {"tensor_overrides": "attn=CPU,output=CUDA0", "cpu_expert_layers": 2}, node
    )
    overrides = overrides_of(options)
    assert overrides[:2] == (TensorOverride("attn", "CPU"), TensorOverride("output", "CUDA0"))
    assert [override.pattern[:8] for override in overrides[2:]] == [r"blk\.0\.", r"blk\.1\."]


def test_weights_by_buffer_are_summed_as_the_log_says_them() -> None:
    lines = [
        "load_tensors:        CUDA0 model buffer size =  1024.50 MiB",
        "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB",
        "load_tensors:   CPU_Mapped model buffer size =    28.00 MiB",
    ]
    assert weight_buffers(lines) == {"CUDA0": 1024.5 * 2**20, "CPU_Mapped": 128 * 2**20}


@pytest.mark.engine
def test_experts_of_the_first_layers_are_moved_and_compute_the_same(
    mixture: Path, node: Node
) -> None:
    """The first three layers are one dense and two of experts: six matrices move."""
    from grid_llamacpp.library import library

    results = []
    for requested in ({}, {"cpu_expert_layers": 3}, {"tensor_overrides": "ffn_down_exps=CPU"}):
        mark = library().log.mark()
        with backend.load(mixture, "cpu", backend.options({"threads": 1, **requested}, node)) as e:
            moved = [line for line in library().log.since(mark) if "overridden to CPU" in line]
            results.append((len(moved), np.asarray(e.logits([5, 6, 7]))))
    assert [count for count, _ in results] == [0, 2 * 3, LAYERS - 1]
    for _, logits in results[1:]:
        np.testing.assert_allclose(logits, results[0][1], atol=1e-4)


@pytest.mark.engine
@pytest.mark.parametrize("requested", [{"cpu_expert_layers": 4}, {"tensor_overrides": "x=CPU"}])
def test_a_dense_model_has_no_experts_to_move(
    f16: Path, node: Node, requested: dict[str, Any]
) -> None:
    options = backend.options({"threads": 1, **requested}, node)
    with (
        pytest.raises(Unsupported, match="no tensor of this model is named"),
        backend.load(f16, "cpu", options),
    ):
        pass


@pytest.mark.engine
def test_a_buffer_that_this_build_has_not_is_refused(mixture: Path, node: Node) -> None:
    options = backend.options({"threads": 1, "tensor_overrides": "exps=TPU7"}, node)
    with (
        pytest.raises(InputError, match=r"no buffer 'TPU7' here; there are .*CPU"),
        backend.load(mixture, "cpu", options),
    ):
        pass


@pytest.mark.engine
@pytest.mark.parametrize("options", [{"split_mode": "row"}, {"tensor_split": "1,1"}])
def test_cards_are_refused_where_the_build_uses_none(
    mixture: Path, node: Node, options: dict[str, Any]
) -> None:
    completed = backend.options(options, node)
    with (
        pytest.raises(Unsupported, match=r"for accelerators, and this build .* uses none"),
        backend.load(mixture, "cpu", completed),
    ):
        pass


@pytest.mark.parametrize("options", [{"split_mode": "row"}, {"main_gpu": 1}])
def test_cards_need_an_accelerator_which_the_plan_says(
    mixture: Path, node: Node, options: dict[str, Any]
) -> None:
    completed = backend.options(options, node)
    assert backend.needs(described(mixture), 2**20, completed, Memory(512)).accelerator == "gpu"


@pytest.mark.engine
def test_the_environment_says_which_buffers_hold_the_weights(mixture: Path, node: Node) -> None:
    with backend.load(mixture, "cpu", backend.options({"threads": 1}, node)) as engine:
        text = engine.environment()["weight_buffers"]
    name, size = text.split()
    assert name.startswith("CPU")
    facts = described(mixture).facts
    assert facts is not None
    assert int(size) == pytest.approx(facts.elements * facts.bpw_file / 8, abs=2 * 2**14)


def test_experts_in_main_memory_take_their_bytes_from_the_card(mixture: Path, card: Node) -> None:
    artifact = described(mixture)
    assert artifact.facts is not None
    assert artifact.facts.parts is not None
    layers = artifact.facts.parts.layers
    plain, some = (
        backend.needs(
            artifact,
            artifact.facts.bytes,
            backend.options({"cpu_expert_layers": count}, card),
            Memory(512),
        )
        for count in (0, 4)
    )
    moved = sum(layer.experts for layer in layers[:4])
    scale = artifact.facts.bytes / sum((*(a.dense + a.experts for a in layers),
        artifact.facts.parts.output, artifact.facts.parts.lookup))  # fmt: skip
    staging = 2 / 3 * layers[1].experts
    assert plain.device_bytes - some.device_bytes == pytest.approx(
        moved * scale - staging * scale, rel=0.02
    )
    assert some.host_bytes - plain.host_bytes >= moved
    assert plain.kv_bytes == some.kv_bytes


def test_layers_on_the_card_are_the_last_and_the_head(mixture: Path, card: Node) -> None:
    """The first layer is dense and the largest without experts: it goes last."""
    artifact = described(mixture)
    assert artifact.facts is not None
    needs = [
        backend.needs(
            artifact,
            artifact.facts.bytes,
            backend.options({"gpu_layers": count}, card),
            Memory(512),
        )
        for count in range(LAYERS + 2)
    ]
    assert needs[0].device_bytes == 0
    assert needs[0].accelerator is None
    device = [need.device_bytes for need in needs[1:]]
    assert device == sorted(device)
    everything = backend.needs(
        artifact, artifact.facts.bytes, backend.options({}, card), Memory(512)
    )
    assert needs[-1].device_bytes == everything.device_bytes

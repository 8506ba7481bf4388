"""GGUF files with random weights of any family that an inventory can be made for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from grid_llamacpp.vocabulary import read as read_vocabulary

from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.presets import quantizable


def write_model(
    path: Path,
    config: dict[str, Any],
    inventory: tuple[UnquantizedTensor, ...],
    model: Hyperparameters,
    parts_of: int = 0,
    vocabulary: Path | None = None,
) -> Path:
    """A GGUF of the inventory as a converter writes it: what presets quantize in F16, the rest
    in F32; without a vocabulary's texts, unless a folder has a tokenizer. With `parts_of` tensors
    to a part, the first part."""
    writer = gguf.GGUFWriter(str(path), model.architecture, split_max_tensors=parts_of)
    writer.add_file_type(1)
    writer.add_quantization_version(2)
    _add_vocabulary(writer, vocabulary, config["vocab_size"])
    for key, value in _metadata(config, inventory, model).items():
        _add(writer, f"{model.architecture}.{key}", value)
    random = np.random.default_rng(3)
    for tensor in inventory:
        kind = np.float16 if quantizable(tensor, model.architecture) else np.float32
        shape = tuple(reversed([n or 0 for n in tensor.shape or ()]))
        writer.add_tensor(tensor.name, (random.standard_normal(shape) / 16).astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return next(path.parent.glob(f"{path.stem}-00001-of-*")) if parts_of else path


def _add_vocabulary(writer: gguf.GGUFWriter, folder: Path | None, size: int) -> None:
    if folder is None:
        writer.add_tokenizer_model("none")
        return
    words = read_vocabulary(folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pre)
    unused = range(len(words.tokens), size)
    writer.add_token_list([*words.tokens, *(f"[PAD{number}]" for number in unused)])
    writer.add_token_types([*words.types, *(gguf.TokenType.UNUSED for _ in unused)])
    writer.add_token_merges(words.merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    else:
        writer.add_uint32(key, value)


def _metadata(
    config: dict[str, Any], inventory: tuple[UnquantizedTensor, ...], model: Hyperparameters
) -> dict[str, Any]:
    """Every key that some family asks for, in its own family's values."""
    get = config.get
    fields: dict[str, Any] = {
        "block_count": model.n_layer,
        "context_length": 128,
        "embedding_length": config["hidden_size"],
        "feed_forward_length": model.n_ff,
        "vocab_size": config["vocab_size"],
        "attention.head_count": _counts(model.n_head),
        "attention.head_count_kv": _counts(model.n_head_kv),
        "attention.key_length": config["head_dim"],
        "attention.value_length": config["head_dim"],
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.sliding_window": 64,
        "rope.dimension_count": config["head_dim"],
        "rope.dimension_sections": [8, 12, 12, 0],
        "logit_scale": 1.0,
        "nextn_predict_layers": model.n_layer_nextn,
    }
    fields |= _of_experts(config, model)
    if "kv_lora_rank" in config:
        fields |= _of_latent(config)
    if "linear_num_key_heads" in config:
        fields |= {
            "ssm.conv_kernel": config["linear_conv_kernel_dim"],
            "ssm.state_size": config["linear_key_head_dim"],
            "ssm.group_count": config["linear_num_key_heads"],
            "ssm.time_step_rank": config["linear_num_value_heads"],
            "ssm.inner_size": config["linear_num_value_heads"] * config["linear_value_head_dim"],
            "full_attention_interval": config["full_attention_interval"],
        }
    heads = get("mamba_num_heads", get("mamba_n_heads"))
    if heads:
        fields |= {
            "ssm.conv_kernel": get("conv_kernel", get("mamba_d_conv")),
            "ssm.state_size": get("ssm_state_size", get("mamba_d_state")),
            "ssm.group_count": get("n_groups", get("mamba_n_groups")),
            "ssm.time_step_rank": heads,
            "ssm.inner_size": heads * get("mamba_head_dim", get("mamba_d_head")),
        }
    if "shared_intermediate_size" in config or heads:
        fields["feed_forward_length"] = _inner_by_block(inventory, model)
    if get("conv_L_cache"):
        fields["shortconv.l_cache"] = config["conv_L_cache"]
    if get("attention_other_setting"):
        fields["attention.sliding_window_pattern"] = [
            kind.startswith("sliding") for kind in config["layer_types"]
        ]
    return fields


def _of_experts(config: dict[str, Any], model: Hyperparameters) -> dict[str, Any]:
    get = config.get
    if not model.n_expert:
        return {}
    shared = ("shared_expert_intermediate_size", "share_expert_dim")
    widths = (*shared, "moe_shared_expert_intermediate_size", "shared_intermediate_size")
    count = get("n_shared_experts", get("moe_num_shared_experts", 0))
    dense = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
    leading = next((get(name) for name in dense if name in config), 0)
    if "moe_layers_enum" in config:
        leading = int(config["moe_layers_enum"].split(",")[0])
    return {
        "expert_count": model.n_expert,
        "expert_used_count": 2,
        "expert_feed_forward_length": model.n_ff_expert,
        "expert_shared_feed_forward_length": next(
            (get(name) for name in widths if name in config), count * (model.n_ff_expert or 0)
        ),
        "expert_shared_count": count,
        "leading_dense_block_count": leading,
        "interleave_moe_layer_step": get("interleave_moe_layer_step", 1),
        "expert_gating_func": 2,
        "expert_weights_scale": 1.0,
        "expert_weights_norm": True,
    }


def _of_latent(config: dict[str, Any]) -> dict[str, Any]:
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    return {
        "attention.q_lora_rank": config["q_lora_rank"] or 0,
        "attention.kv_lora_rank": config["kv_lora_rank"],
        "attention.key_length": config["kv_lora_rank"] + rope,
        "attention.value_length": config["kv_lora_rank"],
        "attention.key_length_mla": nope + rope,
        "attention.value_length_mla": config["v_head_dim"],
        "rope.dimension_count": rope,
    }


def _counts(counts: int | tuple[int, ...]) -> int | list[int]:
    if isinstance(counts, int):
        return counts
    return counts[0] if len(set(counts)) == 1 else list(counts)


def _inner_by_block(inventory: tuple[UnquantizedTensor, ...], model: Hyperparameters) -> list[int]:
    widths = [0] * model.n_layer
    for tensor in inventory:
        match = re.fullmatch(r"blk\.(\d+)\.ffn_down(_exps)?\.weight", tensor.name)
        if match and tensor.shape:
            widths[int(match[1])] = int(tensor.shape[0] or 0)
    return widths

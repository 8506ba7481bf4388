"""A Llama's safetensors folder -> GGUF of 16 or 32 bits.

Reads what transformers writes: config.json, *.safetensors, tokenizer.json. llama.cpp rotates
neighbouring pairs of a head where transformers rotates its halves, so the rows of the query and
key projections are put into the other order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Unsupported
from grid_llamacpp import vocabulary
from grid_llamacpp.recipes import FILE_TYPE_NUMBERS
from grid_llamacpp.safetensors import read, to_bfloat16, to_float32

Array = npt.NDArray[Any]
Config = dict[str, Any]

_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")
_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def convert(source: Path, recipe: str, target: Path) -> None:
    """Write the weights of `source` as F32, F16 or BF16; norms stay in 32 bits.

    Raises Unsupported for another architecture than a plain Llama, EngineError for damaged input.
    """
    config = _config(source)
    vocabulary.refuse_unknown(source)
    writer = gguf.GGUFWriter(str(target), "llama")
    _write_shape(writer, source, config, recipe)
    _write_vocabulary(writer, source, config)
    for name, kind, array in _tensors(source, config):
        _add_tensor(writer, name, to_float32(kind, array), recipe)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def refuse_unknown(source: Path) -> None:
    """Raises Unsupported, one line, for a folder that is not converted here, EngineError for one
    that cannot be read; config.json and the tokenizer's files are enough to tell."""
    _config(source)
    vocabulary.refuse_unknown(source)
    if vocabulary.find_file(source, "tokenizer.json") is None:
        raise Unsupported(
            f"{source}: there is no tokenizer.json, which the conversion to GGUF takes; save it "
            "beside config.json"
        )


def _config(source: Path) -> Config:
    path = source / "config.json"
    try:
        config: Config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read ({error})") from error
    kind = config.get("model_type")
    if kind != "llama":
        raise Unsupported(
            f"{path}: model type {kind!r}; only llama is converted to GGUF here; "
            "llamacpp-converter, which comes with it, converts others"
        )
    for name in ("attention_bias", "mlp_bias"):
        if config.get(name):
            raise Unsupported(f"{path}: {name} is not converted here")
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise Unsupported(f"{path}: scaled rotary positions are not converted here")
    return config


def _heads(config: Config) -> tuple[int, int, int]:
    """Query heads, key and value heads, width of a head."""
    heads = int(config["num_attention_heads"])
    narrow = int(config.get("num_key_value_heads") or heads)
    return heads, narrow, int(config.get("head_dim") or config["hidden_size"] // heads)


def _write_shape(writer: Any, source: Path, config: Config, recipe: str) -> None:
    heads, kv_heads, width = _heads(config)
    rope = config.get("rope_parameters") or {}
    writer.add_name(source.resolve().name)
    writer.add_file_type(FILE_TYPE_NUMBERS[recipe])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(float(config.get("rope_theta") or rope.get("rope_theta") or 10000.0))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(config["vocab_size"])


def _write_vocabulary(writer: Any, source: Path, config: Config) -> None:
    """Tokens padded to the embedding's rows; BOS is added where the tokenizer says so, and where
    it says nothing if the model has one, as Llama's own tokenizers do."""
    content = vocabulary.read(source)
    missing = range(len(content.tokens), config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(content.pre)
    writer.add_token_list([*content.tokens, *(f"[PAD{i}]" for i in missing)])
    writer.add_token_types([*content.types, *(5 for _ in missing)])
    writer.add_token_merges(content.merges)
    bos, eos = config.get("bos_token_id"), config.get("eos_token_id")
    eos = eos[0] if isinstance(eos, list) else eos
    if bos is not None:
        writer.add_bos_token_id(bos)
    if eos is not None:
        writer.add_eos_token_id(eos)
    adds = content.adds_bos if content.adds_bos is not None else bos is not None
    writer.add_add_bos_token(adds and bos is not None)


def _tensors(source: Path, config: Config) -> list[tuple[str, str, Array]]:
    """(GGUF name, dtype, array) of every weight; a head tied to the embedding is left out, which
    llama.cpp reads as tied."""
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise EngineError(f"{source}: no .safetensors file in it")
    heads, kv_heads, _ = _heads(config)
    turns: dict[str, Callable[[Array], Array]] = {
        "attn_q": lambda array: _interleave(array, heads),
        "attn_k": lambda array: _interleave(array, kv_heads),
    }
    tensors = []
    for file in files:
        for name, (kind, array) in read(file).items():
            if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                continue
            if name.endswith("rotary_emb.inv_freq"):
                continue
            new = _gguf_name(source, name)
            turn = turns.get(new.split(".")[-2])
            tensors.append((new, kind, turn(array) if turn else array))
    return tensors


def _gguf_name(source: Path, name: str) -> str:
    match = _LAYER.fullmatch(name)
    if match and match[2] in _LAYER_NAMES:
        return f"blk.{match[1]}.{_LAYER_NAMES[match[2]]}.weight"
    if name not in _NAMES:
        raise Unsupported(f"{source}: weight {name!r} is not one of a plain Llama")
    return _NAMES[name]


def _interleave(array: Array, heads: int) -> Array:
    """Rows of each head from (first half, second half) to neighbouring pairs."""
    rows = array.shape[0] // heads // 2
    return array.reshape(heads, 2, rows, -1).swapaxes(1, 2).reshape(array.shape)


def _add_tensor(writer: Any, name: str, values: npt.NDArray[np.float32], recipe: str) -> None:
    if recipe == "F32" or values.ndim == 1:
        writer.add_tensor(name, values)
    elif recipe == "F16":
        writer.add_tensor(name, values.astype(np.float16))
    else:
        halves = to_bfloat16(values).view(np.uint8)
        writer.add_tensor(name, halves, raw_dtype=gguf.GGMLQuantizationType.BF16)

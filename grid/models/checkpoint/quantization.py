"""Read the quantization that a checkpoint's configuration declares, for every known method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from grid.errors import InputError, did_you_mean
from grid.models.checkpoint import modelopt
from grid.models.checkpoint import quantization_names as names
from grid.models.checkpoint.compressed_tensors import read_compressed
from grid.models.checkpoint.files import read_json
from grid.models.checkpoint.quantization_fields import QuantizationFields
from grid.models.checkpoint.quantization_scheme import Quantization

__all__ = ["Quantization", "known_methods", "read_quantization"]

_BITS = (2, 3, 4, 8)
_GROUPS = (-1, 16, 32, 64, 128, 256, 512, 1024)
_AWQ_GROUPS = (-1, 16, 32, 64, 128)
_OLD_FILES = ("quantize_config.json", "quant_config.json", "quantization_config.json")


def read_quantization(folder: Path, config: Mapping[str, Any]) -> Quantization | None:
    """The quantization that config.json declares, or the file beside it that older quantizers
    wrote; None for plain weights. Raises InputError for an unknown method or impossible bits."""
    where, values = _declaration(folder, config)
    if values is None:
        return None
    if not isinstance(values, dict):
        raise InputError(f"{where}: quantization_config is not a JSON object")
    fields = QuantizationFields(where, values)
    method = _method_name(fields, config)
    reader = _READERS.get(method)
    if reader is None:
        hint = did_you_mean(method, _READERS)
        if hint.startswith("Did"):
            hint = f"{hint} Known: {', '.join(known_methods())}."
        raise fields.error(f"unknown quant_method {method[:60]!r}. {hint}")
    return msgspec.structs.replace(reader(fields), where=str(where))


def known_methods() -> tuple[str, ...]:
    """Values of `quant_method` that are understood."""
    return tuple(sorted(_READERS))


def _declaration(folder: Path, config: Mapping[str, Any]) -> tuple[Path, Any]:
    where = folder / "config.json"
    nested = config.get("text_config")
    for part in (config, nested if isinstance(nested, dict) else {}):
        for key in ("quantization", "quantization_config", "compression_config"):
            if part.get(key):
                return where, part[key]
    for name in _OLD_FILES:
        if (folder / name).is_file():
            return folder / name, read_json(folder / name)
    if (folder / modelopt.CONFIG_FILE).is_file():
        where = folder / modelopt.CONFIG_FILE
        return where, modelopt.declaration(read_json(where))
    return where, None


def _method_name(fields: QuantizationFields, config: Mapping[str, Any]) -> str:
    """The method's name; files that leave it out are recognised by their keys."""
    method = fields.text("quant_method", "method").lower()
    if method:
        return method
    if "quantization" in config or {"group_size", "bits"} == set(fields.values):
        return "mlx"
    if "w_bit" in fields.values or "q_group_size" in fields.values:
        return "awq"
    if "load_in_4bit" in fields.values or "load_in_8bit" in fields.values:
        return "bitsandbytes"
    if "desc_act" in fields.values or "damp_percent" in fields.values:
        return "gptq"
    raise fields.error("quant_method is missing; known: " + ", ".join(known_methods()))


def _bits_and_group(
    fields: QuantizationFields, method: str, groups: tuple[int, ...]
) -> tuple[int, int]:
    bits, group = fields.require("bits", "w_bit"), fields.require("group_size", "q_group_size")
    if bits not in _BITS:
        raise fields.error(f"{method} of {bits} bits; there are {_enumerate_numbers(_BITS)}")
    if group not in groups:
        raise fields.error(
            f"{method} with groups of {group}; there are {_enumerate_numbers(groups)}"
        )
    return bits, group


def _enumerate_numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _read_gptq(fields: QuantizationFields) -> Quantization:
    bits, group = _bits_and_group(fields, "gptq", _GROUPS)
    return Quantization(
        format="gptq",
        quant=names.gptq_name(
            bits, group, fields.flag("desc_act", False), fields.flag("sym", True)
        ),
        bits=bits,
        group=group,
        layout=fields.text("checkpoint_format", "format") or "gptq",
        overrides=bool(fields.values.get("dynamic")),
    )


def _read_awq(fields: QuantizationFields) -> Quantization:
    bits, group = _bits_and_group(fields, "awq", _AWQ_GROUPS)
    return Quantization(
        format="awq",
        quant=names.awq_name(bits, group, fields.flag("zero_point", True)),
        bits=bits,
        group=group,
        layout=(fields.text("version", "checkpoint_format", "format") or "gemm").lower(),
        overrides=bool(fields.values.get("dynamic")),
    )


def _read_bitsandbytes(fields: QuantizationFields) -> Quantization:
    if fields.flag("load_in_8bit", False) or fields.flag("_load_in_8bit", False):
        return Quantization(format="bnb", quant=names.bnb_name("int8"), bits=8, layout="int8")
    if not (fields.flag("load_in_4bit", False) or fields.flag("_load_in_4bit", False)):
        raise fields.error("neither load_in_4bit nor load_in_8bit is true")
    kind = fields.text("bnb_4bit_quant_type") or "fp4"
    if kind not in ("nf4", "fp4"):
        raise fields.error(f"bnb_4bit_quant_type is {kind[:60]!r}; there are nf4 and fp4")
    double = fields.flag("bnb_4bit_use_double_quant", False)
    return Quantization(format="bnb", quant=names.bnb_name(kind, double), bits=4, layout=kind)


def _read_mlx(fields: QuantizationFields) -> Quantization:
    bits, group = fields.require("bits"), fields.require("group_size")
    mode = fields.text("mode") or "affine"
    if not 1 < bits <= 8 or not 8 <= group <= 1024:
        raise fields.error(f"mlx of {bits} bits in groups of {group}")
    own = {name: fields.section(name) for name in fields.values if fields.section(name).values}
    groups = {
        name: part.integer("group_size", default=group) or group for name, part in own.items()
    }
    mixed = any(
        (part.integer("bits", default=bits), groups[name]) != (bits, group)
        for name, part in own.items()
    )
    quant = names.mlx_name(bits, group, mode, mixed)
    return Quantization(
        format="mlx",
        quant=quant,
        bits=bits,
        group=group,
        layout=mode,
        overrides=mixed,
        groups=groups if mixed else {},
    )


def _read_hqq(fields: QuantizationFields) -> Quantization:
    weights = fields.section("quant_config").section("weight_quant_params")
    weights = weights if weights.values else fields.section("weight_quant_params")
    weights = weights if weights.values else fields
    bits, group = weights.require("nbits", "bits"), weights.integer("group_size")
    if bits not in (1, 2, 3, 4, 5, 6, 8):
        raise fields.error(f"hqq of {bits} bits; there are 1, 2, 3, 4, 5, 6 and 8")
    return Quantization(
        format="hqq", quant=names.hqq_name(bits, group), bits=bits, group=group or -1
    )


def _read_fp8(_fields: QuantizationFields) -> Quantization:
    return Quantization(format="fp8", quant=names.fp8_name(), bits=8, layout="fp8")


def _read_aqlm(fields: QuantizationFields) -> Quantization:
    books, bits = fields.require("num_codebooks"), fields.require("nbits_per_codebook")
    block = fields.require("in_group_size") * (fields.integer("out_group_size", default=1) or 1)
    if not (0 < books <= 64 and 0 < bits <= 32 and 0 < block <= 4096):
        raise fields.error(f"aqlm of {books} codebooks of {bits} bits for {block} weights")
    return Quantization(
        format="aqlm", quant=names.aqlm_name(books, bits, block), bits=bits, block=block
    )


def _read_torchao(fields: QuantizationFields) -> Quantization:
    """quant_type is a name, or since torchao 0.10 a configuration of its own."""
    kind: Any = fields.values.get("quant_type")
    data = fields.section("quant_type_kwargs")
    if isinstance(kind, dict):
        own = fields.section("quant_type").section("default")
        own = own if own.values else fields.section("quant_type")
        kind, data = own.text("_type"), own.section("_data")
    if not isinstance(kind, str) or not kind.replace("_", "").isalnum():
        raise fields.error("torchao without a readable quant_type")
    granularity = data.section("granularity").section("_data")
    group = data.integer("group_size") or granularity.integer("group_size")
    dtype = data.section("weight_dtype").text("_data")
    return Quantization(
        format="torchao", quant=names.torchao_name(kind, group, dtype), group=group, layout=kind
    )


_READERS: Mapping[str, Callable[[QuantizationFields], Quantization]] = {
    "gptq": _read_gptq,
    "awq": _read_awq,
    "bitsandbytes": _read_bitsandbytes,
    "mlx": _read_mlx,
    "hqq": _read_hqq,
    "fp8": _read_fp8,
    "fbgemm_fp8": _read_fp8,
    "aqlm": _read_aqlm,
    "torchao": _read_torchao,
    "compressed-tensors": read_compressed,
    "modelopt": modelopt.read_modelopt,
    "modelopt_fp4": modelopt.read_modelopt,
    "modelopt_mixed": modelopt.read_modelopt,
    "modelopt_mxfp8": modelopt.read_modelopt,
}

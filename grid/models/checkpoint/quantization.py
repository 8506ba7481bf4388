"""What quantization a checkpoint's configuration declares, for every method that is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from grid.errors import InputError, did_you_mean
from grid.models.checkpoint import quantization_names as names
from grid.models.checkpoint.files import read_json

_BITS = (2, 3, 4, 8)
_GROUPS = (-1, 16, 32, 64, 128, 256, 512, 1024)
_AWQ_GROUPS = (-1, 16, 32, 64, 128)
_OLD_FILES = ("quantize_config.json", "quant_config.json", "quantization_config.json")


class Quantization(msgspec.Struct, frozen=True, kw_only=True):
    """A declared quantization: `format` is what a backend reads, `quant` its name (the same for
    the same weights everywhere).

    `bits` and `group` are those of most layers (None: the method has none; group -1: a whole
    column); `block`: weights that one code stands for (AQLM). `overrides`: single layers differ.
    """

    format: str
    quant: str
    bits: int | None = None
    group: int | None = None
    block: int = 1
    layout: str = ""
    """The method's own name of how tensors are packed, such as `gemm`, `nf4`, `pack-quantized`."""
    overrides: bool = False
    groups: Mapping[str, int] = {}
    """Group of the modules that have their own (MLX)."""
    where: str = ""
    """File that declares it, for error lines."""


class _Given:
    """A configuration with typed access; a value of the wrong type is an InputError."""

    def __init__(self, where: Path, values: Mapping[str, Any]) -> None:
        self.where, self.values = where, values

    def fail(self, what: str) -> InputError:
        return InputError(f"{self.where}: quantization_config: {what}")

    def whole(self, *keys: str, default: int | None = None) -> int | None:
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                if type(value) is not int or not -1 <= value < 2**20:
                    raise self.fail(f"{key} is {str(value)[:60]!r}, not a whole number")
                return value
        return default

    def must(self, *keys: str) -> int:
        value = self.whole(*keys)
        if value is None:
            raise self.fail(f"{keys[0]} is missing")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key)
        if value is None:
            return default
        if type(value) is not bool:
            raise self.fail(f"{key} is {str(value)[:60]!r}, not true or false")
        return value

    def text(self, *keys: str) -> str:
        found = (self.values.get(key) for key in keys)
        return next((value for value in found if isinstance(value, str)), "")

    def part(self, key: str) -> _Given:
        value = self.values.get(key)
        return _Given(self.where, value if isinstance(value, dict) else {})


def read_quantization(folder: Path, config: Mapping[str, Any]) -> Quantization | None:
    """The quantization that config.json declares, or the file beside it that older quantizers
    wrote; None for plain weights. Raises InputError for an unknown method or impossible bits."""
    where, values = _declared(folder, config)
    if values is None:
        return None
    if not isinstance(values, dict):
        raise InputError(f"{where}: quantization_config is not a JSON object")
    given = _Given(where, values)
    method = _method(given, config)
    reader = _READERS.get(method)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        hint = did_you_mean(method, _READERS)
        hint = f"{hint} Known: {known}." if hint.startswith("Did") else hint
        raise given.fail(f"unknown quant_method {method[:60]!r}. {hint}")
    return msgspec.structs.replace(reader(given), where=str(where))


def known_methods() -> tuple[str, ...]:
    """Values of `quant_method` that are understood."""
    return tuple(sorted(_READERS))


def _declared(folder: Path, config: Mapping[str, Any]) -> tuple[Path, Any]:
    where = folder / "config.json"
    nested = config.get("text_config")
    for part in (config, nested if isinstance(nested, dict) else {}):
        for key in ("quantization", "quantization_config", "compression_config"):
            if part.get(key):
                return where, part[key]
    for name in _OLD_FILES:
        if (folder / name).is_file():
            return folder / name, read_json(folder / name)
    return where, None


def _method(given: _Given, config: Mapping[str, Any]) -> str:
    """The method's name; older files leave it out and are known by their keys."""
    method = given.text("quant_method", "method").lower()
    if method:
        return method
    if "quantization" in config or {"group_size", "bits"} == set(given.values):
        return "mlx"
    if "w_bit" in given.values or "q_group_size" in given.values:
        return "awq"
    if "load_in_4bit" in given.values or "load_in_8bit" in given.values:
        return "bitsandbytes"
    if "desc_act" in given.values or "damp_percent" in given.values:
        return "gptq"
    raise given.fail("quant_method is missing; known: " + ", ".join(known_methods()))


def _packed(given: _Given, method: str, groups: tuple[int, ...]) -> tuple[int, int]:
    bits, group = given.must("bits", "w_bit"), given.must("group_size", "q_group_size")
    if bits not in _BITS:
        raise given.fail(f"{method} of {bits} bits; there are {_listed(_BITS)}")
    if group not in groups:
        raise given.fail(f"{method} with groups of {group}; there are {_listed(groups)}")
    return bits, group


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _gptq(given: _Given) -> Quantization:
    bits, group = _packed(given, "gptq", _GROUPS)
    return Quantization(
        format="gptq",
        quant=names.gptq_name(bits, group, given.flag("desc_act", False), given.flag("sym", True)),
        bits=bits,
        group=group,
        layout=given.text("checkpoint_format", "format") or "gptq",
        overrides=bool(given.values.get("dynamic")),
    )


def _awq(given: _Given) -> Quantization:
    bits, group = _packed(given, "awq", _AWQ_GROUPS)
    return Quantization(
        format="awq",
        quant=names.awq_name(bits, group, given.flag("zero_point", True)),
        bits=bits,
        group=group,
        layout=(given.text("version", "checkpoint_format", "format") or "gemm").lower(),
        overrides=bool(given.values.get("dynamic")),
    )


def _bitsandbytes(given: _Given) -> Quantization:
    if given.flag("load_in_8bit", False) or given.flag("_load_in_8bit", False):
        return Quantization(format="bnb", quant=names.bnb_name("int8"), bits=8, layout="int8")
    if not (given.flag("load_in_4bit", False) or given.flag("_load_in_4bit", False)):
        raise given.fail("neither load_in_4bit nor load_in_8bit is true")
    kind = given.text("bnb_4bit_quant_type") or "fp4"
    if kind not in ("nf4", "fp4"):
        raise given.fail(f"bnb_4bit_quant_type is {kind[:60]!r}; there are nf4 and fp4")
    double = given.flag("bnb_4bit_use_double_quant", False)
    return Quantization(format="bnb", quant=names.bnb_name(kind, double), bits=4, layout=kind)


def _mlx(given: _Given) -> Quantization:
    bits, group = given.must("bits"), given.must("group_size")
    mode = given.text("mode") or "affine"
    if not 1 < bits <= 8 or not 8 <= group <= 1024:
        raise given.fail(f"mlx of {bits} bits in groups of {group}")
    own = {name: given.part(name) for name in given.values if given.part(name).values}
    groups = {name: part.whole("group_size", default=group) or group for name, part in own.items()}
    mixed = any(
        (part.whole("bits", default=bits), groups[name]) != (bits, group)
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


def _hqq(given: _Given) -> Quantization:
    weights = given.part("quant_config").part("weight_quant_params")
    weights = weights if weights.values else given.part("weight_quant_params")
    weights = weights if weights.values else given
    bits, group = weights.must("nbits", "bits"), weights.whole("group_size")
    if bits not in (1, 2, 3, 4, 5, 6, 8):
        raise given.fail(f"hqq of {bits} bits; there are 1, 2, 3, 4, 5, 6 and 8")
    return Quantization(
        format="hqq", quant=names.hqq_name(bits, group), bits=bits, group=group or -1
    )


def _fp8(given: _Given) -> Quantization:
    return Quantization(format="fp8", quant=names.fp8_name(), bits=8, layout="fp8")


def _aqlm(given: _Given) -> Quantization:
    books, bits = given.must("num_codebooks"), given.must("nbits_per_codebook")
    block = given.must("in_group_size") * (given.whole("out_group_size", default=1) or 1)
    if not (0 < books <= 64 and 0 < bits <= 32 and 0 < block <= 4096):
        raise given.fail(f"aqlm of {books} codebooks of {bits} bits for {block} weights")
    return Quantization(
        format="aqlm", quant=names.aqlm_name(books, bits, block), bits=bits, block=block
    )


def _torchao(given: _Given) -> Quantization:
    """quant_type is a name, or since torchao 0.10 a configuration of its own."""
    kind: Any = given.values.get("quant_type")
    data = given.part("quant_type_kwargs")
    if isinstance(kind, dict):
        own = given.part("quant_type").part("default")
        own = own if own.values else given.part("quant_type")
        kind, data = own.text("_type"), own.part("_data")
    if not isinstance(kind, str) or not kind.replace("_", "").isalnum():
        raise given.fail("torchao without a readable quant_type")
    group = data.whole("group_size") or data.part("granularity").part("_data").whole("group_size")
    dtype = data.part("weight_dtype").text("_data")
    return Quantization(
        format="torchao", quant=names.torchao_name(kind, group, dtype), group=group, layout=kind
    )


def _compressed(given: _Given) -> Quantization:
    layout = given.text("format")
    groups = given.part("config_groups")
    parts = [groups.part(key) for key in groups.values]
    weights = parts[0].part("weights") if parts else _Given(given.where, {})
    inputs = parts[0].part("input_activations") if parts else _Given(given.where, {})
    layout = layout or (parts[0].text("format") if parts else "")
    if not layout:
        raise given.fail("compressed-tensors without a format")
    bits, group = weights.whole("num_bits"), weights.whole("group_size")
    return Quantization(
        format="compressed-tensors",
        quant=names.compressed_name(
            layout, bits, group, weights.flag("symmetric", True), inputs.whole("num_bits")
        ),
        bits=bits,
        group=group,
        layout=layout,
        overrides=len(parts) > 1,
    )


_READERS: Mapping[str, Callable[[_Given], Quantization]] = {
    "gptq": _gptq,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "mlx": _mlx,
    "hqq": _hqq,
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "aqlm": _aqlm,
    "torchao": _torchao,
    "compressed-tensors": _compressed,
}

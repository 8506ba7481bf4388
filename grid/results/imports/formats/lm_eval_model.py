"""What lm-evaluation-harness loaded: the model with its adapter, and its quantization, out of the
arguments. What is computed in names no quantization."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grid.cells.cell import Options
from grid.models.named_sizes import size_in
from grid.models.names import is_generic, printed_name
from grid.results.imports.cleaning import clean
from grid.results.imports.gguf_names import quant_in
from grid.results.imports.hidden_quant import config_options, quant_in_config, quant_in_path
from grid.results.imports.record import ImportedWeights
from grid.results.imports.source import Source
from grid.results.imports.values import finite, mapping, text

_DTYPES = {
    "bfloat16": "BF16", "float16": "F16", "float32": "F32", "half": "F16", "float": "F32",
    "torch.bfloat16": "BF16", "torch.float16": "F16", "torch.float32": "F32",
}  # fmt: skip
_METHODS = re.compile(r"(?i)\b(awq|gptq|bnb|nf4|int4|int8|w4a16|w8a8|fp8|exl2|hqq)\b")

_ADAPTERS = ("peft", "lora_local_path", "lora_path", "adapter", "adapter_path", "delta")
"""Arguments that load weights on top of the model's: the two are another model."""

_NO = frozenset(("", "none", "null", "false", "0", "no"))
_IN_FLIGHT = {"bitsandbytes": "bnb-4bit", "awq_marlin": "awq", "gptq_marlin": "gptq"}
_LOADERS = {"autogptq": "gptq", "gptqmodel": "gptq", "autoawq": "awq"}
_QUANTISH = re.compile(
    r"quant|gptq|awq|bnb|bits?(?:$|_)|bitsandbytes|int[248](?:$|_)|fp[48](?:$|_)|torchao|low_bit",
    re.IGNORECASE,
)
"""Names of arguments that may say how weights are kept."""

_BESIDE = re.compile(r"kv|cache|^bnb_4bit_|_param|calculate|group_size|activation", re.IGNORECASE)
"""Those of them, and others, that say how something else is kept, or a detail: options."""

_PACKED = 0.7
"""Elements of what a name says, below which several weights stand in one element."""


def loaded_weights(source: Source, whole: Mapping[str, Any]) -> ImportedWeights:
    """The model of a results file. Notes where it names no model or says no precision."""
    config = mapping(whole.get("config"))
    arguments = arguments_of(config)
    path = text(arguments, "gguf_file") or text(arguments, "pretrained") or text(arguments, "path")
    path = path or text(whole, "model_name") or text(arguments, "model")
    base = _last_part(path)
    is_gguf = "gguf" in path.lower()
    stated = (printed_name(path) if is_gguf else None) or base
    if not (source.model or stated):
        source.skip("the file does not name the model; give it with --model")
    parameters = finite(config.get("model_num_parameters"))
    quant = _quant(source, arguments, config, path, parameters)
    return ImportedWeights(
        model=source.model_named(_with_adapter(stated, arguments)) or "unnamed",
        quant=quant,
        format="gguf" if is_gguf else "safetensors",
        parameters=int(parameters) if parameters and 0 < parameters < 2**53 else None,
    )


def arguments_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of the model, which versions write as an object or as `name=value,...`."""
    written = config.get("model_args")
    if isinstance(written, dict):
        return written
    pairs = (part.partition("=") for part in re.split(r",(?![^{]*\})", text(config, "model_args")))
    return {name.strip(): value.strip() for name, _, value in pairs}


def quant_options(arguments: Mapping[str, Any]) -> Options:
    """Arguments beside the quantization's name that make another cell: how the cache is kept, and
    details of the quantization."""
    options: Options = {
        clean(str(name)): text(arguments, name)
        for name in arguments
        if _BESIDE.search(str(name)) and not _is_no(arguments, name)
    }
    return options | config_options(mapping(arguments.get("quantization_config")))


def _with_adapter(base: str, arguments: Mapping[str, Any]) -> str:
    """The base's name, with the adapter's and the revision's where they make other weights of it:
    `Llama-3-8B+my-lora`, `pythia-1b@step1000`."""
    adapters = [text(arguments, name) for name in _ADAPTERS if not _is_no(arguments, name)]
    revision = text(arguments, "revision")
    if revision and revision != "main" and not re.fullmatch(r"[0-9a-f]{7,64}|None", revision):
        base = f"{base or 'unnamed'}@{revision}"
    return "+".join([base or "unnamed", *map(_last_part, adapters)]) if adapters else base


def _last_part(path: str) -> str:
    """The last part of a path, with the one before where it says nothing alone."""
    parts = clean(path.replace("\\", "/").rstrip("/")).split("/")
    return "/".join(parts[-2:]) if is_generic(parts[-1]) and len(parts) > 1 else parts[-1]


def _quant(
    source: Source,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    path: str,
    parameters: float | None,
) -> str:
    """The quantization: as the arguments ask for, else as path and name say, else the data type of
    weights that nothing says were quantized."""
    name = _last_part(path)
    named = quant_in(name) or _method_in(name) or quant_in_path(path)
    stated = _stated_quant(source, arguments)
    if stated:
        return named if named.startswith(stated) else stated
    if named:
        return named
    size = size_in(name)
    if size and parameters and parameters < _PACKED * size:
        source.skip(
            f"{name} has {parameters:.3g} elements: its weights are packed, and nothing says how; "
            "its quantization is unknown"
        )
        return "unknown"
    kind = text(arguments, "dtype") or text(config, "model_dtype")
    if kind not in _DTYPES:
        source.skip(f"no precision is said of {name or 'the model'}; it is called as published")
    return _DTYPES.get(kind, "as published")


def _stated_quant(source: Source, arguments: Mapping[str, Any]) -> str:
    """The quantization that arguments ask for, empty for none; by the argument itself, which is
    said, where it is not known."""
    about = mapping(arguments.get("quantization_config"))
    if about:
        bits = any(not _is_no(about, flag) for flag in ("load_in_4bit", "load_in_8bit"))
        quant = quant_in_config("bnb" if bits else "", about)
        if quant:
            return quant
    for flag, quant in (("load_in_4bit", "bnb-4bit"), ("load_in_8bit", "bnb-8bit")):
        if not _is_no(arguments, flag):
            return quant
    method = text(arguments, "quantization").lower()
    if method not in _NO:
        return _IN_FLIGHT.get(method, method)
    if text(arguments, "load_format").lower() == "bitsandbytes":
        return _IN_FLIGHT["bitsandbytes"]
    for name in arguments:
        if name in _LOADERS and not _is_no(arguments, name):
            return _LOADERS[name]
    for name in arguments:
        value = arguments[name]
        asks = _QUANTISH.search(str(name)) and not _BESIDE.search(str(name))
        if asks and not _is_no(arguments, name):
            words = clean(f"{name}={value}")[:60]
            source.skip(f"the quantization of {words!r} is not known; it is called so")
            return words
    return ""


def _is_no(arguments: Mapping[str, Any], name: str) -> bool:
    value = arguments.get(name)
    return value in (None, {}, []) or str(value).strip().lower() in _NO


def _method_in(name: str) -> str:
    method = _METHODS.search(re.sub(r"[-_.]", " ", name))
    return method[1].lower() if method else ""

"""Options of llama-bench: every field or column that is no figure and no fact of model, build or
machine is part of the cell, whatever newer builds add."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.results.imports.cleaning import clean
from grid.results.imports.numerals import without_markup

_NAMES = {
    "n_threads": "threads",
    "n_batch": "batch",
    "n_ubatch": "ubatch",
    "type_k": "kv_type_k",
    "type_v": "kv_type_v",
    "n_gpu_layers": "gpu_layers",
    "flash_attn": "flash_attention",
    "n_cpu_moe": "cpu_expert_layers",
    "tensor_buft_overrides": "tensor_overrides",
}
"""Fields of llama-bench that have another name in our rows."""

_COLUMNS = {
    "ngl": "n_gpu_layers", "fa": "flash_attn", "ncmoe": "n_cpu_moe",
    "ot": "tensor_buft_overrides", "dev": "devices", "nopo": "no_op_offload", "noh": "no_host",
    "nkvo": "no_kv_offload", "sm": "split_mode", "mg": "main_gpu", "ts": "tensor_split",
    "mmap": "use_mmap", "embd": "embeddings", "dio": "use_direct_io", "mmq": "mul_mat_q",
    "fitt": "fit_target", "fitc": "fit_min_ctx", "threads": "n_threads",
}  # fmt: skip
"""Columns of tables whose field has another name."""

SWITCHES = (
    "flash_attention", "use_mmap", "embeddings", "no_kv_offload", "no_op_offload", "no_host",
    "cpu_strict", "use_direct_io", "f16_kv", "mul_mat_q", "low_vram",
)  # fmt: skip
"""Options that are on or off: 1 and 0 in csv and tables, truth values in json."""

_USUAL: dict[str, object] = {
    "cpu_expert_layers": 0, "tensor_overrides": "none", "devices": "auto", "no_op_offload": False,
    "no_host": False, "cpu_mask": "0x0", "cpu_strict": False, "poll": 50, "use_direct_io": False,
    "f16_kv": True, "mul_mat_q": True, "low_vram": False,
}  # fmt: skip
"""What newer builds print where nothing is set otherwise, and other builds do not print at all:
left out, so that they are one cell."""

FACTS = frozenset(
    {
        "build_commit", "build_number", "cpu_info", "gpu_info", "backends", "model_filename",
        "model_type", "model_size", "model_n_params", "n_prompt", "n_gen", "n_depth", "test_time",
        "cuda", "opencl", "metal", "gpu_blas", "blas", "vulkan", "kompute", "sycl", "rpc", "hip",
    }
)  # fmt: skip
"""Fields of model, build, machine and test."""

TABLE_FACTS = frozenset({"model", "size", "params", "backend", "test", "t/s"})
"""The same of a table's columns."""

_FIGURE = re.compile(r"(?:avg|stddev|samples|min|max|median|mean|sd|p\d+)_\w+")
_WHOLE = re.compile(r"-?\d{1,9}")
_WORDS = re.compile(r"\s+")


def option_name(column: str) -> str:
    """What a column of a table, or a field, is called in our rows: two columns that are called so
    alike are one setting twice."""
    plain = without_markup(column).lower()
    field = _COLUMNS.get(plain, plain)
    return _NAMES.get(field, _WORDS.sub("_", clean(field)))


def field_options(row: Mapping[str, Any]) -> Options:
    """Options of a row of json or csv."""
    names = (name for name in row if name not in FACTS and not _FIGURE.fullmatch(name))
    return _options((name, row[name]) for name in names)


def column_options(row: Mapping[str, str], facts: Iterable[str] = TABLE_FACTS) -> Options:
    """Options of a row of a table, by its lower-case columns."""
    beside = set(facts)
    return _options(
        (_COLUMNS.get(column, column), cell) for column, cell in row.items() if column not in beside
    )


def _options(fields: Iterable[tuple[str, Any]]) -> Options:
    options: Options = {}
    for field, value in fields:
        name = option_name(field)
        option = _option(name, value)
        if option is not None and (name not in _USUAL or option != _USUAL[name]):
            options[name] = option
    return options


def _option(name: str, value: Any) -> str | int | float | bool | None:
    """An option's value, the same whichever output it came in; None where nothing stands there."""
    if isinstance(value, list | dict):
        return clean(json.dumps(value, sort_keys=True)) if value else None
    if value is None or value == "":
        return None
    printed = clean(str(value))
    if name in SWITCHES and printed.lower() in ("0", "1", "false", "true"):
        return printed.lower() in ("1", "true")
    if isinstance(value, str):
        return int(printed) if _WHOLE.fullmatch(printed) else printed or None
    return value if isinstance(value, int | float) else None

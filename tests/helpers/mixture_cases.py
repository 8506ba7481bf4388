"""Rows of public mixtures of experts, whose shapes and sizes are known without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from advice_cases import answers
from analysis_cases import Rows

from grid.models.public import find_model

RIGHT = {"F16": 95, "Q8_0": 95, "Q4_K_M": 93}
"""Right answers of 100 in math, by quant."""


def rows_of(name: str, right: Mapping[str, int] = RIGHT, *, headers: bool = True) -> Rows:
    """Tasks of a public model's quants, measured on a CPU, as its sizes and shape are."""
    model = find_model(name)
    assert model is not None
    parts, experts = model.weights.parts, model.weights.experts
    rows = Rows()
    for quant, count in right.items():
        size = model.size(quant)
        assert size is not None
        fields: dict[str, Any] = {
            "quant": quant,
            "artifact_id": f"{name}-{quant}",
            "model": name,
            "family": name,
            "parameters": model.parameters,
            "artifact_bytes": size.file_bytes,
            "bpw_file": size.bpw_file,
            "hardware_class": "AMD EPYC, 2 cores, 24 GiB, 32-64 GB/s",
            "origin": "",
            "context_length": model.context_length,
            "kv_cache": msgspec.json.encode(model.layers).decode(),
        }
        if headers:
            fields |= {
                "active_parameters": model.active_parameters,
                "parameters_from": "header",
                "experts": experts and experts.count,
                "experts_used": experts and experts.used,
                "weight_parts": msgspec.json.encode(
                    parts.scaled(size.tensor_bytes / parts.total)
                ).decode(),
            }
        rows.tasks("math", answers(count), **fields)
    return rows

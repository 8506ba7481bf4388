"""What a token uses of a model, from a row: active parameters, experts, bytes by part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from grid.models.named_sizes import NamedSize, mixture_size
from grid.models.weight_parts import Experts, WeightParts

FROM_NAME = "name"


def token_use(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a variant about it. Of a row without them, as others' and older ones are, what
    the name of a mixture tells."""
    active, source = row.get("active_parameters"), row.get("parameters_from") or ""
    if active is None and (named := named_size(row)) is not None:
        active, source = named.active, FROM_NAME
    return {
        "active_parameters": active,
        "parameters_from": source,
        "experts": _experts(row),
        "weight_parts": _parts(row.get("weight_parts") or ""),
    }


@lru_cache(maxsize=4096)
def leaves_a_part(options: str, layers: int) -> bool:
    """Whether engine options (JSON) keep layers or experts of a model of so many layers (0: not
    known) off the accelerator."""
    values: dict[str, Any] = json.loads(options or "{}")
    if values.get("cpu_expert_layers") or values.get("tensor_overrides"):
        return True
    on_card = values.get("gpu_layers")
    return isinstance(on_card, int) and 0 < on_card <= layers


def named_size(row: Mapping[str, Any]) -> NamedSize | None:
    """What the names of the model and its family tell of a mixture's size."""
    return mixture_size(row["model"] or "", row["family"] or "")


def _experts(row: Mapping[str, Any]) -> Experts | None:
    count = row.get("experts")
    if not count:
        return None
    return Experts(
        count=count,
        used=row.get("experts_used"),
        shared=row.get("shared_experts") or 0,
        layers=row.get("expert_layers") or 0,
        leading_dense=row.get("leading_dense_layers") or 0,
        parameters=row.get("expert_parameters") or 0,
    )


@lru_cache(maxsize=256)
def _parts(text: str) -> WeightParts | None:
    """None where the text is not what bytes by part should be."""
    try:
        return msgspec.json.decode(text, type=WeightParts) if text else None
    except msgspec.MsgspecError:
        return None

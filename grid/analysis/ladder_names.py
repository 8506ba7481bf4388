"""One name for a model, so that its quants are one ladder.

A report knows a file or a repository, `qwen2.5-7b-instruct-q4_0.gguf` or `Qwen2.5-7B-Instruct-AWQ`.
The model's name is derived here as rows are read, those imported before included; the rows stay as
they are, and so do their ids. What was measured here keeps the name that its sweep gave it, but for
quantized weights beside which the model of the plain name was measured too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from grid.models.names import ladder_name, says_quantized, spelling_key

_UNKNOWN = frozenset({"", "AS PUBLISHED", "UNKNOWN", "F16", "BF16", "F32"})
"""Quants of which a name that says another knows more: such a row stays by itself."""


Key = tuple[str, str, bool]
"""A row's model, quant, and whether others measured it."""


def with_ladder_names(attempts: pa.Table) -> pa.Table:
    """The attempts with the name of their model; needs the columns model, family, quant and origin.
    Of spellings that differ in case and separators that of measured rows counts, else the most
    frequent."""
    if _all_named(attempts):
        return attempts
    columns = {key: attempts[key].to_pylist() for key in ("model", "quant", "origin", "family")}
    keys = [
        (model or "", quant or "", bool(origin))
        for model, quant, origin in zip(
            columns["model"], columns["quant"], columns["origin"], strict=True
        )
    ]
    names = _names(Counter(keys))
    if all(name == key[0] for key, name in names.items()):
        return attempts
    models = [names[key] for key in keys]
    families = [  # that of a model without one is its name
        model if family == key[0] else family
        for family, model, key in zip(columns["family"], models, keys, strict=True)
    ]
    for column, values in (("model", models), ("family", families)):
        place = attempts.column_names.index(column)
        field = attempts.schema.field(column)
        attempts = attempts.set_column(place, field, pa.array(values, pa.string()))
    return attempts


def _all_named(attempts: pa.Table) -> bool:
    """Whether no row is of others and no name says a quantization: nothing to derive."""
    origins, models = (pc.unique(attempts[name]).to_pylist() for name in ("origin", "model"))
    return not any(origins) and not any(says_quantized(model or "") for model in models)


def _names(counts: Mapping[Key, int]) -> dict[Key, str]:
    """By model, quant and origin, the model's name."""
    measured = {spelling_key(model): model for model, _, foreign in counts if not foreign}
    names: dict[Key, str] = {}
    spellings: dict[str, Counter[str]] = {}
    for key, count in counts.items():
        model, quant, foreign = key
        plain = model_name(model, quant) if foreign or says_quantized(model) else model
        joins = plain != model and not foreign
        names[key] = measured.get(spelling_key(plain), model) if joins else plain
        if foreign:
            spellings.setdefault(spelling_key(plain), Counter())[plain] += count
    return {
        key: measured.get(spelling_key(name)) or _spelling(spellings[spelling_key(name)])
        if key[2]
        else name
        for key, name in names.items()
    }


def _spelling(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def model_name(name: str, quant: str) -> str:
    """The model's name in a row of others. One that says a quantization which the row does not
    have is kept as it is: nobody knows which rung those weights are."""
    is_unclear = quant.upper() in _UNKNOWN and says_quantized(name)
    return name if is_unclear else ladder_name(name)

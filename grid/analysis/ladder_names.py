"""One name for a model in rows of others, so that its quants are one ladder.

A report knows a file or a repository, `qwen2.5-7b-instruct-q4_0.gguf` or `Qwen2.5-7B-Instruct-AWQ`.
The model's name is derived here as rows are read, those imported before included; the rows stay as
they are, and so do their ids. What was measured here keeps the name that its sweep gave it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pyarrow as pa

from grid.models.names import ladder_name, says_quantized, spelling_key

_UNKNOWN = frozenset({"", "AS PUBLISHED", "UNKNOWN", "F16", "BF16", "F32"})
"""Quants of which a name that says another knows more: such a row stays by itself."""


def with_ladder_names(attempts: pa.Table) -> pa.Table:
    """The attempts, those of others with the name of their model; needs the columns model, family,
    quant and origin. Of spellings that differ in case and separators that of measured rows counts,
    else the most frequent."""
    keys = ["model", "quant", "origin"]
    counts = (
        attempts.select([*keys, "attempt_id"]).group_by(keys).aggregate([("attempt_id", "count")])
    )
    rows = counts.to_pylist()
    if not any(row["origin"] for row in rows):
        return attempts
    names = _names(rows)
    columns = {key: attempts[key].to_pylist() for key in (*keys, "family")}
    rows_of = list(zip(*(columns[key] for key in keys), strict=True))
    renamed = [
        name if not origin else names[name or "", quant or ""] for name, quant, origin in rows_of
    ]
    families = [  # that of a model without one is its name
        new if origin and family == name else family
        for family, new, (name, _, origin) in zip(columns["family"], renamed, rows_of, strict=True)
    ]
    for column, values in (("model", renamed), ("family", families)):
        place = attempts.column_names.index(column)
        field = attempts.schema.field(column)
        attempts = attempts.set_column(place, field, pa.array(values, pa.string()))
    return attempts


def _names(rows: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], str]:
    """By the row's name and quant, the model's name."""
    plain: dict[tuple[str, str], str] = {}
    spellings: dict[str, Counter[str]] = {}
    for row in rows:
        name, quant = str(row["model"] or ""), str(row["quant"] or "")
        shown = model_name(name, quant) if row["origin"] else name
        weight = int(str(row["attempt_id_count"])) if row["origin"] else 10**9
        spellings.setdefault(spelling_key(shown), Counter())[shown] += weight
        if row["origin"]:
            plain[name, quant] = shown
    return {key: _spelling(spellings[spelling_key(name)]) for key, name in plain.items()}


def _spelling(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def model_name(name: str, quant: str) -> str:
    """The model's name in a row of others. One that says a quantization which the row does not
    have is kept as it is: nobody knows which rung those weights are."""
    is_unclear = quant.upper() in _UNKNOWN and says_quantized(name)
    return name if is_unclear else ladder_name(name)

"""Which of a store's rates predictions learn from: a few of each of a few hardware classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.columns import Column, text_of
from grid.analysis.dataset.overview import equal

RATES = 48
"""Rates that predictions learn from: a fit takes time for each, and their errors a fit for each
class."""

LEAST = 6
"""Rates of a hardware class, if it has so many: more say little more of its chip."""

_KEY = ("hardware_class", "artifact_id", "backend", "options")

Turn = tuple[int, str, str]
"""The how manieth of its backend and quant; artifact id; key."""


def sample_rates(ok: pa.Table) -> pa.Table:
    """Attempts at speed and memory of `RATES` variants at most, from attempts with figures.

    All classes have the same share, which is `LEAST` or more: of too many classes some are left
    out, those with the fewest rates first, by turns among the device kinds. Of a class variants are
    taken in turn from each backend and quant, in the order of the artifacts' ids: those are hashes,
    so that the order is as good as chance, and the same in every store.
    """
    kinds = ("decode", "prefill", "memory")
    rows = ok.filter(pc.is_in(ok["measure"], value_set=pa.array(kinds)))
    rows = rows.append_column("key", _keys_of(rows))
    rated = rows.filter(pc.invert(equal(rows, "measure", "memory")))
    columns = ["hardware_class", "device_kind", "backend", "quant", "artifact_id", "key"]
    chosen = pa.array(_choose_keys(rated.group_by(columns).aggregate([]).to_pylist()), pa.string())
    return rows.filter(pc.is_in(rows["key"], value_set=chosen)).drop_columns(["key"])


def _keys_of(rows: pa.Table) -> Column:
    """Of each row the variant that it is of, as one text."""
    parts = [text_of(rows, name) for name in _KEY]
    return pc.binary_join_element_wise(*parts, pa.scalar("\0"))


def _choose_keys(rated: Iterable[Mapping[str, Any]]) -> list[str]:
    """Keys of the variants with a rate that are taken."""
    turns: Counter[tuple[str, ...]] = Counter()
    of_class: defaultdict[str, list[Turn]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for row in sorted(rated, key=lambda row: (row["artifact_id"], row["key"])):
        place = row["hardware_class"] or ""
        alike = (place, row["backend"] or "", row["quant"] or "")
        turns[alike] += 1
        of_class[place].append((turns[alike], row["artifact_id"], row["key"]))
        kinds[place] = row["device_kind"] or ""
    names = _choose_classes(of_class, kinds)
    share = RATES // max(1, len(names))
    return [key for name in names for *_, key in sorted(of_class[name])[:share]]


def _choose_classes(of_class: Mapping[str, list[Turn]], kinds: Mapping[str, str]) -> list[str]:
    """Those that are looked at, at most RATES // LEAST."""
    turns: Counter[str] = Counter()
    ranked = []
    for name in sorted(of_class, key=lambda name: (-len(of_class[name]), name)):
        turns[kinds[name]] += 1
        ranked.append((turns[kinds[name]], -len(of_class[name]), name))
    return [name for *_, name in sorted(ranked)[: RATES // LEAST]]

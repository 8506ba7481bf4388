"""Loads the attempts that a hardware class's variants are made of, as they are needed.

Figures of one class depend on attempts elsewhere: quality is shared by the machines of a device
kind, and references, noise floors and the main text are taken from all attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.lru import Lru
from grid.analysis.dataset.overview import DEFERRED, Overview, equal
from grid.analysis.dataset.speeds import sample_rates
from grid.analysis.quality_runs import QUALITY_MEASURES, QualityRuns
from grid.analysis.row_facts import SCOPE
from grid.analysis.scored_text import chunk_means
from grid.analysis.tables import ITEM_COLUMNS, Attempt, ItemRows, attempts_of, item_rows
from grid.analysis.variant import Variant
from grid.analysis.variants import SPEED_MEASURES, build_variants
from grid.results.schema import TABLES
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.results.reader import Results

FIGURES = (
    "load_s", "peak_rss_bytes", "kv_bytes", "prefill_tps", "decode_tps", "drift",
    "between_run_sd", "lost_share", "capability", "prefill_j_per_token", "decode_j_per_token",
    "prefill_net_j_per_token", "decode_net_j_per_token",
)  # fmt: skip
"""Metrics that variants are made of; of text quality and latency they have all."""

ROWS = [
    "attempt_id", "started_at", "measure", "workload", "artifact_id", "model", "family",
    "parameters", "format", "quant", "artifact_bytes", "backend", "options", "hardware_class",
    "device_kind", "origin", "engine_version",
]  # fmt: skip
FACTS = (
    "environment", "kv_cache", "context_length", "licence", "bpw_file", "bpw_layer", "quantizer",
    "active_parameters", "parameters_from", "experts", "experts_used", "shared_experts",
    "expert_layers", "leading_dense_layers", "expert_parameters", "weight_parts",
)  # fmt: skip
TEXTS_AT_ONCE = 256
"""Quality runs whose samples are held at once."""

USED = ("bandwidth_bytes_s", "llc_bytes", SCOPE)
METRICS = ("name", "value", "low", "high", "sd", "n", "method")

_KEY = ["artifact_id", "backend", "options", "hardware_class"]
_NO_IDS: pa.Array[Any] = pa.array([], pa.string())

Kinds = tuple[str | None, ...]
"""Device kinds that a hardware class computed on."""


class Shared(NamedTuple):
    """What the machines of one device kind share: attempts at quality and tasks, and items."""

    attempts: Sequence[Attempt]
    items: Mapping[str, ItemRows]


class VariantLoader:
    """Reads the variants of hardware classes and keeps what the last ones are made of."""

    def __init__(self, results: Results, overview: Overview) -> None:
        self._results, self._ok = results, overview.ok
        self._shared: Lru[str | None, Shared] = Lru(4)
        self._runs_of_kinds: Lru[Kinds, QualityRuns] = Lru(4)
        self._texts: list[Attempt] | None = None

    def variants(self, hardware_class: str) -> list[Variant]:
        """The class's variants, without a composite capability."""
        mine = self._of_class(hardware_class)
        kinds = _kinds(mine)
        runs = self._runs_of_kinds.get(kinds, lambda: self._quality_runs(kinds))
        return build_variants(runs, self._own_attempts(mine))

    def speed_sample(self) -> list[Variant]:
        """As `Dataset.speed_sample` says; read in one go, since no class is looked at closer."""
        rows = sample_rates(self._ok)
        attempts = self._read_attempts(
            rows, self._figures(rows["attempt_id"].combine_chunks(), _NO_IDS)
        )
        return build_variants(QualityRuns((), {}), attempts)

    def named_variants(self) -> list[Variant]:
        """As `Dataset.named_variants` says. One attempt at speed is enough to name a variant; noise
        floors are recognised by their figures."""
        speed = self._ok.filter(_is_any_of(self._ok, "measure", SPEED_MEASURES)).group_by(_KEY)
        ids = speed.aggregate([("attempt_id", "min")])["attempt_id_min"].combine_chunks()
        tests = _is_any_of(self._ok, "measure", QUALITY_MEASURES)
        rows = self._ok.filter(pc.or_(tests, pc.is_in(self._ok["attempt_id"], value_set=ids)))
        texts = rows.filter(equal(rows, "measure", "quality"))["attempt_id"].combine_chunks()
        figures = self._results.read("metrics", METRICS, texts)
        floors = figures.filter(equal(figures, "name", "kld_mean"))
        attempts = attempts_of(_rows_without_deferred(rows), floors, _empty_table("samples"))
        return build_variants(QualityRuns(attempts, {}), attempts)

    def rows(self, hardware_class: str) -> pa.Table:
        """The attempts that the class's variants are made of."""
        mine = equal(self._ok, "hardware_class", hardware_class)
        kinds = _kinds(self._ok.filter(mine))
        computations = [attempt.id for attempt in self._computations(kinds)]
        parts = (
            equal(self._ok, "measure", "quality"),
            pc.and_(_is_of_kinds(self._ok, kinds), equal(self._ok, "measure", "tasks")),
            _is_any_of(self._ok, "attempt_id", computations),
        )
        for part in parts:
            mine = pc.or_kleene(mine, part)
        return self._ok.filter(mine)

    def _of_class(self, hardware_class: str) -> pa.Table:
        return self._ok.filter(equal(self._ok, "hardware_class", hardware_class))

    def _quality_runs(self, kinds: Kinds) -> QualityRuns:
        items = [self._of_kind(kind).items for kind in kinds]
        return QualityRuns(
            self._shared_attempts(kinds),
            {name: of for kind_items in items for name, of in kind_items.items()},
        )

    def _shared_attempts(self, kinds: Kinds) -> list[Attempt]:
        """Attempts that the variants of the device kinds share, wherever they were measured."""
        by_id = {
            attempt.id: attempt for attempt in (*self._computations(kinds), *self._all_texts())
        }
        for kind in kinds:
            by_id |= {attempt.id: attempt for attempt in self._of_kind(kind).attempts}
        return sorted(by_id.values(), key=lambda attempt: attempt.id)

    def _of_kind(self, device_kind: str | None) -> Shared:
        return self._shared.get(device_kind, lambda: self._read_kind(device_kind))

    def _own_attempts(self, rows: pa.Table) -> list[Attempt]:
        """The class's attempts with what they say of node and model."""
        alone = rows.filter(~pc.field("measure").isin(QUALITY_MEASURES))[
            "attempt_id"
        ].combine_chunks()
        series = self._results.read("samples", ("name", "values"), alone)
        late = rows.filter(pc.field("measure") == "latency")["attempt_id"].combine_chunks()
        return self._read_attempts(rows, self._figures(alone, late), series)

    def _read_attempts(
        self, rows: pa.Table, figures: pa.Table, series: pa.Table | None = None
    ) -> list[Attempt]:
        ids = rows["attempt_id"].combine_chunks()
        of_id = {
            row["attempt_id"]: row for row in _facts(self._results.read("attempts", FACTS, ids))
        }
        whole = [row | of_id[row["attempt_id"]] for row in rows.select(ROWS).to_pylist()]
        attempts = attempts_of(
            whole, figures, _empty_table("samples") if series is None else series
        )
        return sorted(attempts, key=lambda attempt: attempt.id)

    def _read_kind(self, device_kind: str | None) -> Shared:
        rows = self._ok.filter(
            _is_value("device_kind", device_kind) & pc.field("measure").isin(QUALITY_MEASURES)
        )
        ids = rows["attempt_id"].combine_chunks()
        texts = rows.filter(pc.field("measure") == "quality")["attempt_id"].combine_chunks()
        attempts = attempts_of(
            _rows_without_deferred(rows), self._figures(ids, texts), _empty_table("samples")
        )
        means = self._chunk_means(rows.filter(equal(rows, "measure", "quality")))
        attempts = [replace(a, chunk_means=means.get(a.id, {})) for a in attempts]
        tasks = [attempt for attempt in attempts if attempt.measure == "tasks"]
        task_ids = pa.array([attempt.id for attempt in tasks], pa.string())
        items = self._results.read("items", ITEM_COLUMNS, task_ids)
        return Shared(attempts, item_rows(items, tasks))

    def _chunk_means(self, rows: pa.Table) -> dict[str, dict[str, Floats]]:
        """Means by chunk of quality runs, read a few attempts at a time: their samples have a value
        for each token, and those of one time stand in the same files."""
        ids = rows.sort_by("started_at")["attempt_id"].combine_chunks()
        means: dict[str, dict[str, Floats]] = {}
        for start in range(0, len(ids), TEXTS_AT_ONCE):
            part = ids.slice(start, TEXTS_AT_ONCE)
            means |= chunk_means(self._results.read("samples", ("name", "values"), part))
        return means

    def _figures(self, ids: pa.Array[Any], whole: pa.Array[Any]) -> pa.Table:
        """Metrics of the attempts: all of those in `whole`."""
        table = self._results.read("metrics", METRICS, ids)
        named = pc.is_in(table["name"], value_set=pa.array(FIGURES))
        return table.filter(pc.or_(named, pc.is_in(table["attempt_id"], value_set=whole)))

    def _all_texts(self) -> Sequence[Attempt]:
        """All attempts at text quality, without figures: what was compared with what."""
        if self._texts is None:
            rows = self._ok.filter(pc.field("measure") == "quality")
            self._texts = attempts_of(
                _rows_without_deferred(rows), _empty_table("metrics"), _empty_table("samples")
            )
        return self._texts

    def _computations(self, kinds: Kinds) -> list[Attempt]:
        """One attempt, without figures, of each way in which a reference was computed for speed or
        tasks on the device kinds, wherever that was."""
        texts = self._all_texts()
        references = {str(attempt.workload.get("reference")).partition("@")[0] for attempt in texts}
        rows = self._ok.filter(
            pc.and_(
                _is_any_of(self._ok, "device_kind", [kind for kind in kinds if kind is not None]),
                pc.and_(
                    _is_any_of(self._ok, "artifact_id", sorted(references)),
                    pc.not_equal(self._ok["measure"], pa.scalar("quality")),
                ),
            )
        )
        keys = ["artifact_id", "backend", "options", "device_kind"]
        firsts = rows.group_by(keys).aggregate([("attempt_id", "min")])["attempt_id_min"]
        chosen = rows.filter(pc.is_in(rows["attempt_id"], value_set=firsts.combine_chunks()))
        return attempts_of(
            _rows_without_deferred(chosen), _empty_table("metrics"), _empty_table("samples")
        )


def _facts(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of FACTS; of the environment what variants are made of, as the rest is most of it."""
    names = [name for name in table.column_names if name != "environment"]
    columns = [_shared_values(table[name]) for name in names]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    for row, pairs in zip(rows, _used_environment(table["environment"]), strict=True):
        row["environment"] = pairs
    return rows


def _shared_values(column: pa.ChunkedArray[Any]) -> list[Any]:
    """As `to_pylist`, but equal values are made once: hundreds of rows have the same long text."""
    encoded = column.combine_chunks().dictionary_encode()
    values = [*encoded.dictionary.to_pylist(), None]
    places = pc.fill_null(encoded.indices, pa.scalar(len(values) - 1, encoded.indices.type))
    return [values[place] for place in places.to_pylist()]


def _used_environment(environments: pa.ChunkedArray[Any]) -> list[list[tuple[str, str]]]:
    """What each environment says of USED."""
    by_row: list[list[tuple[str, str]]] = [[] for _ in range(len(environments))]
    start = 0
    chunks: Any = environments.chunks  # of maps, whose parts Arrow's stubs do not know
    for chunk in chunks:
        offsets = chunk.offsets.to_numpy()
        used: Any = pc.is_in(chunk.keys, value_set=pa.array(USED))
        # of the whole array, of which a chunk may be a slice
        places = np.flatnonzero(used.to_numpy(zero_copy_only=False))
        places = places[(places >= offsets[0]) & (places < offsets[-1])]
        rows = start + np.searchsorted(offsets, places, side="right") - 1
        pairs = (part.take(pa.array(places)).to_pylist() for part in (chunk.keys, chunk.items))
        for row, key, value in zip(rows.tolist(), *pairs, strict=True):
            if value is not None:
                by_row[row].append((key, value))
        start += len(chunk)
    return by_row


def _rows_without_deferred(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows without the columns that are read later."""
    missing: dict[str, Any] = dict.fromkeys(DEFERRED)
    return [row | missing for row in rows.select(ROWS).to_pylist()]


def _kinds(rows: pa.Table) -> Kinds:
    return tuple(sorted(pc.unique(rows["device_kind"]).to_pylist(), key=str))


def _is_of_kinds(rows: pa.Table, kinds: Kinds) -> pa.BooleanArray:
    matching = _is_any_of(rows, "device_kind", [kind for kind in kinds if kind is not None])
    return pc.or_(matching, pc.is_null(rows["device_kind"])) if None in kinds else matching


def _is_any_of(rows: pa.Table, column: str, values: Sequence[str]) -> pa.BooleanArray:
    return pc.is_in(rows[column], value_set=pa.array(values, pa.string()))


def _is_value(column: str, value: str | None) -> pc.Expression:
    field = pc.field(column)
    return field.is_null() if value is None else field == value


def _empty_table(table: str) -> pa.Table:
    return TABLES[table].empty_table()

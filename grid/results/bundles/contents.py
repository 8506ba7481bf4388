"""What a bundle says: fields by a list of those that may leave the machine, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from grid.errors import InputError
from grid.models.display_names import shorten, visible
from grid.models.identity import digest
from grid.results.bundles.archive import (
    MANIFEST,
    decode_table,
    encode_table,
    read_members,
    write_bundle,
)
from grid.results.bundles.checks import refusals
from grid.results.reader import Results
from grid.results.schema import TABLES
from grid.results.select import final

FORMAT = "quantgrid bundle 1"

ATTEMPT_FIELDS = frozenset(
    {
        "attempt_id", "cell_id", "status", "started_at", "wall_s", "engine_s", "measure", "label",
        "workload", "artifact_id", "model", "family", "model_source", "model_revision",
        "parameters", "format", "quant", "quantizer", "artifact_bytes", "artifact_sha256",
        "bpw_file", "bpw_layer", "backend", "engine_version", "options", "scope", "hardware_class",
        "device_kind", "environment", "context_length", "kv_cache", "active_parameters",
        "parameters_from", "layers", "experts", "experts_used", "shared_experts", "expert_layers",
        "leading_dense_layers", "expert_parameters", "weight_parts",
    }
)  # fmt: skip
"""Columns that are shared; all others are null: node, sweep and its name, reason, origin."""

ENVIRONMENT = frozenset({"quantgrid", "bandwidth_bytes_s", "llc_bytes"})
SOURCES = ("hf:", "ref:", "ollama:")
"""Starts of a model's source that name a public place."""

WORKLOAD = frozenset(
    {
        "type", "tokens", "depth", "repetitions", "precision", "budget_s", "part_of", "prompt",
        "generate", "context", "chunks", "text_sha256", "reference", "category", "task_class",
        "items_sha256", "limit", "task", "chat", "prompts_sha256", "answer_tokens",
    }
)  # fmt: skip

SAMPLES = frozenset(
    {
        "prefill_s", "decode_s", "ttft_s", "tpot_s", "e2e_s", "itl_s", "lost_share",
        "machine_compute_s", "machine_memory_s", "earlier_run_sd", "earlier_run_degrees",
    }
)  # fmt: skip
UNSHARED_FIGURES = r"_j_per_token$|acceptance|goodput"
"""Figures whose samples are not shared: nobody could check them."""

ITEM_FIELDS = frozenset({"attempt_id", "cell_id", "task_class", "item", "score", "chance", "task"})
MOST_TEXT = 4000

_PATH = re.compile(r"(?:^|[\s\"'=,;(])(?:~?/|[A-Za-z]:[\\/]|\.\.[\\/]|\\\\|file:)\S")
_MARKUP = re.compile(r"<\s*[A-Za-z/!]|javascript:", re.IGNORECASE)


class ResultsBundle(NamedTuple):
    """Checked rows of one machine, and lines about those that were refused."""

    name: str
    created: str
    tables: Mapping[str, pa.Table]
    refused: tuple[str, ...]

    @property
    def hardware(self) -> list[str]:
        """Hardware classes of its rows, sorted."""
        return sorted(
            {name for name in self.tables["attempts"]["hardware_class"].to_pylist() if name}
        )


def publish(results: Results, target: str, private: frozenset[str] = frozenset()) -> ResultsBundle:
    """Write the rows of a store that may be shared; `private` are words that none may hold.

    Only final attempts with status ok that were measured here. Raises InputError where no row
    passes the checks, and nothing is written.
    """
    tables = _shared_tables(results)
    bundle = _checked("", datetime.now(UTC).date().isoformat(), tables, private)
    attempts = bundle.tables["attempts"].num_rows
    if not attempts:
        why = f": {bundle.refused[0]}" if bundle.refused else ""
        raise InputError(f"no row can be published{why}")
    members = {f"{name}.arrows": encode_table(name, rows) for name, rows in bundle.tables.items()}
    manifest = {
        "format": FORMAT,
        "created": bundle.created,
        "attempts": attempts,
        "hardware": bundle.hardware,
        "content": _content(members),
    }
    members[MANIFEST] = json.dumps(manifest, indent=1).encode()
    write_bundle(target, members)
    return bundle._replace(name=target)


def read_bundle(place: str) -> ResultsBundle:
    """A bundle of anybody, checked as the own is. Raises InputError in one line."""
    members = read_members(place)
    manifest = _manifest(members.pop(MANIFEST))
    if manifest["content"] != _content(members):
        raise InputError("the bundle's rows are not those of its manifest")
    tables = {name: decode_table(name, members[f"{name}.arrows"]) for name in TABLES}
    stray = sorted({*tables["attempts"].column_names} - ATTEMPT_FIELDS)
    for name in stray:
        if tables["attempts"][name].null_count < tables["attempts"].num_rows:
            raise InputError(f"the bundle says {name}, which is never shared")
    return _checked(place, manifest["created"], tables, frozenset())


def _manifest(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
        created = fields["created"]
        if fields["format"] != FORMAT or not re.fullmatch(r"\d{4}-\d\d-\d\d", created):
            raise ValueError(f"it is not of the format {FORMAT!r}")
        return {"created": created, "content": str(fields["content"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = shorten(visible(str(error)), 60)
        raise InputError(f"the bundle's {MANIFEST} is no manifest: {why}") from error


def _content(members: Mapping[str, bytes]) -> str:
    return digest("bundle", *(members[f"{name}.arrows"].hex() for name in TABLES))


def _checked(
    name: str, created: str, tables: Mapping[str, pa.Table], private: frozenset[str]
) -> ResultsBundle:
    """Without attempts that hold a private text or a figure that cannot be true."""
    import pyarrow.compute as pc

    wrong = {**refusals(tables)}
    for row in tables["attempts"].to_pylist():
        if reason := private_text(row, private):
            wrong[row["attempt_id"]] = reason
    ids = pa.array(list(wrong), pa.string())
    kept_tables = {
        table: rows.filter(pc.invert(pc.is_in(rows["attempt_id"], ids)))
        for table, rows in tables.items()
    }
    measured = kept_tables["attempts"]["attempt_id"].combine_chunks()
    for table in TABLES:
        rows = kept_tables[table]
        kept_tables[table] = rows.filter(pc.is_in(rows["attempt_id"], measured))
    return ResultsBundle(name, created, kept_tables, tuple(dict.fromkeys(wrong.values())))


def private_text(row: Mapping[str, Any], private: frozenset[str] = frozenset()) -> str:
    """Why a text of a row cannot be shared; empty where all can."""
    for name, value in row.items():
        parts = [f"{k}={v}" for k, v in value] if isinstance(value, list) else [value]
        for text in parts:
            if not isinstance(text, str):
                continue
            title = f"{shorten(visible(str(row['model'])), 40)}: {name}"
            if len(text) > MOST_TEXT or visible(text) != text:
                return f"{title} holds what does not show, or is too long"
            if _PATH.search(text):
                return f"{title} holds a path"
            if _MARKUP.search(text):
                return f"{title} holds markup"
            words = {word.casefold() for word in re.findall(r"[\w.-]+", text)}
            if words & private:
                return f"{title} holds this machine's or user's name"
    return ""


def _shared_tables(results: Results) -> dict[str, pa.Table]:
    import pyarrow.compute as pc

    chosen = final(results.attempts())
    chosen = chosen.filter((pc.field("status") == "ok") & (pc.field("origin") == ""))
    rows = [_shared(row) for row in chosen.to_pylist()]
    ids = chosen["attempt_id"].combine_chunks()
    tables = {"attempts": pa.Table.from_pylist(rows, TABLES["attempts"])}
    for name in ("metrics", "samples", "items"):
        part = results.read(name, TABLES[name].names, ids).select(TABLES[name].names)
        if name == "metrics":
            unshared = pc.match_substring_regex(part["name"], UNSHARED_FIGURES)
            part = part.filter(pc.invert(unshared))
        if name == "samples":
            part = part.filter(pc.field("name").isin(sorted(SAMPLES)))
        if name == "items":
            fields = [
                {k: v for k, v in row.items() if k in ITEM_FIELDS} for row in part.to_pylist()
            ]
            part = pa.Table.from_pylist(fields, TABLES["items"])
        tables[name] = part
    return tables


def _shared(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's fields that may leave; the time is the day alone."""
    shared = {name: value for name, value in row.items() if name in ATTEMPT_FIELDS}
    if row["started_at"] is not None:
        shared["started_at"] = row["started_at"].replace(hour=0, minute=0, second=0, microsecond=0)
    if not (row["model_source"] or "").startswith(SOURCES):
        shared["model_source"] = ""
    facts = dict(row["environment"] or ())
    shared["environment"] = [(name, facts[name]) for name in sorted(ENVIRONMENT & facts.keys())]
    if facts.get("disturbed"):  # whose words may name programs
        shared["environment"].append(("disturbed", "yes"))
    shared["workload"] = _only(row["workload"], WORKLOAD)
    shared["options"] = plain_options(row["options"])
    return shared


def _only(text: str | None, names: frozenset[str]) -> str:
    fields = json.loads(text or "{}")
    return json.dumps({k: v for k, v in fields.items() if k in names}, separators=(",", ":"))


def plain_options(text: str | None) -> str:
    """Options that are numbers, switches or single words; a path or address is none."""
    options = json.loads(text or "{}")
    plain = {
        k: v
        for k, v in options.items()
        if not isinstance(v, str) or re.fullmatch(r"[\w.+-]{0,40}", v)
    }
    return json.dumps(plain, separators=(",", ":"), sort_keys=True)

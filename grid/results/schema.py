"""The Arrow schema of the four tables of a store, and its history.

Version history (`SCHEMA_VERSION`, written into every file's metadata as `quantgrid.schema`):

1. First version: attempts, metrics, samples, items.
2. Attempts say who measured them (`origin`, `licence`), and what decides room for context
   (`context_length`, `kv_cache`).
3. Items name their task and keep what the model wrote (`task`, `response`, `tokens`, `finish`,
   `note`).
4. Attempts say what a token uses of the model and where its bytes are (`active_parameters`,
   `parameters_from`, `layers`, `experts` and what follows it, `weight_parts`), and items the
   passage or subject that they share (`group`).
5. Items say how many tokens the prompt has (`prompt_tokens`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 5
VERSION_KEY = b"quantgrid.schema"
TABLE_KEY = b"quantgrid.table"


def _field(name: str, kind: pa.DataType, text: str) -> pa.Field[Any]:
    return pa.field(name, kind, metadata={b"doc": text.encode()})


_ATTEMPT_KEY = [
    _field("attempt_id", pa.string(), "one try at a cell"),
    _field("cell_id", pa.string(), "hash of exactly what changes the number"),
]

ATTEMPTS = pa.schema(
    [
        *_ATTEMPT_KEY,
        _field("sweep_id", pa.string(), "one run of `grid sweep`"),
        _field("sweep", pa.string(), "name in the sweep file"),
        _field("status", pa.string(), "ok, error, timeout, oom, unsupported, skipped or lost"),
        _field("reason", pa.string(), "one line for every status but ok; empty there"),
        _field("started_at", pa.timestamp("us", tz="UTC"), "when the attempt began"),
        _field("wall_s", pa.float64(), "duration of the attempt, s"),
        _field("engine_s", pa.float64(), "part of wall_s inside engine calls, s"),
        _field("measure", pa.string(), "memory, prefill, decode, latency, quality or tasks"),
        _field("label", pa.string(), "the workload as people write it, such as `pp512 @ d512`"),
        _field(
            "workload",
            pa.string(),
            "the workload's fields, JSON; `reference` is artifact@backend of what is compared with",
        ),
        _field("artifact_id", pa.string(), "hash of source, revision, recipe and quantizer"),
        _field("model", pa.string(), "name of the model"),
        _field("family", pa.string(), "family the model belongs to"),
        _field("model_source", pa.string(), "where the weights came from"),
        _field("model_revision", pa.string(), "hash of the source's weights"),
        _field("parameters", pa.int64(), "weight elements of the model"),
        _field("format", pa.string(), "file format, such as gguf"),
        _field("quant", pa.string(), "quantization, such as Q4_K_M"),
        _field("quantizer", pa.string(), "what made the file, with version; empty if it was given"),
        _field("artifact_bytes", pa.int64(), "size of the weight files, bytes"),
        _field("artifact_sha256", pa.string(), "content of the weight file"),
        _field("bpw_file", pa.float64(), "tensor bytes * 8 / elements, bits per weight"),
        _field("bpw_layer", pa.float64(), "same without embeddings and head, bits per weight"),
        _field("backend", pa.string(), "plugin that ran it"),
        _field("engine_version", pa.string(), "version of the engine"),
        _field("options", pa.string(), "engine options, complete, JSON"),
        _field("scope", pa.string(), "device kind (quality) or hardware class (speed)"),
        _field("hardware_class", pa.string(), "class of the node it ran on"),
        _field("device_kind", pa.string(), "arithmetic that computed"),
        _field("node", pa.string(), "name of the node"),
        _field(
            "environment",
            pa.map_(pa.string(), pa.string()),
            "versions, build, kernel, threads, clocks, load, git revision; `kld_refused` says why "
            "there is no divergence, `tokenizer` that the engine would cut the text otherwise, "
            "`unanswered` which items of a task were not asked; of speed `stopped` says how many "
            "repetitions count and why there are no more, `replaced` what was measured again, "
            "`disturbed` what disturbed those that count; `energy_scope` what its "
            "[energy](energy.md) counts, `energy_lack` why there is none",
        ),
        _field("context_length", pa.int64(), "longest context the model is made for, tokens"),
        _field(
            "kv_cache",
            pa.string(),
            "what each layer keeps, JSON: a list of {key, value, window, fixed}; null where the "
            "model's shape is not known",
        ),
        _field(
            "origin",
            pa.string(),
            "who measured it: empty for quantgrid itself, else the tool or publication the row was "
            "imported from",
        ),
        _field("licence", pa.string(), "of imported figures, as far as it is stated"),
        _field(
            "active_parameters",
            pa.int64(),
            "weight elements that a token uses: no looked-up embeddings, and of routed experts its "
            "share; null where it is not known",
        ),
        _field(
            "parameters_from",
            pa.string(),
            "where active_parameters is from, and parameters where the source states none: header, "
            "or name of a mixture without a header; empty where nobody says it",
        ),
        _field("layers", pa.int32(), "layers of the model"),
        _field("experts", pa.int32(), "routed experts of a layer; null for a dense model"),
        _field("experts_used", pa.int32(), "routed experts that a token uses in a layer"),
        _field("shared_experts", pa.int32(), "experts of a layer that every token uses"),
        _field("expert_layers", pa.int32(), "layers that have experts"),
        _field("leading_dense_layers", pa.int32(), "layers before the first that has experts"),
        _field("expert_parameters", pa.int64(), "weight elements of all routed experts"),
        _field(
            "weight_parts",
            pa.string(),
            "bytes of the weights by what reads them, JSON: layers [[dense, experts], ...], output,"
            " lookup, unused, tied; null where nothing says it",
        ),
    ]
)

METRICS = pa.schema(
    [
        *_ATTEMPT_KEY,
        _field("name", pa.string(), "metric, see docs/metrics.md"),
        _field("value", pa.float64(), "the figure; null where it cannot be given"),
        _field("unit", pa.string(), "unit of value, low, high and sd"),
        _field("low", pa.float64(), "lower end of the 95 % interval; null where there is none"),
        _field("high", pa.float64(), "upper end of the 95 % interval"),
        _field("sd", pa.float64(), "sample standard deviation or standard error, as method says"),
        _field("n", pa.int64(), "number of samples behind the value"),
        _field("method", pa.string(), "how value and interval were derived"),
    ]
)

SAMPLES = pa.schema(
    [
        *_ATTEMPT_KEY,
        _field("name", pa.string(), "quantity sampled"),
        _field("unit", pa.string(), "unit of the values"),
        _field("values", pa.list_(pa.float64()), "raw values in the order measured"),
    ]
)

ITEMS = pa.schema(
    [
        *_ATTEMPT_KEY,
        _field("task_class", pa.string(), "class of tasks the item belongs to"),
        _field("item", pa.string(), "id of the item within its class"),
        _field("score", pa.float64(), "1 right, 0 wrong"),
        _field("chance", pa.float64(), "score that guessing would get"),
        _field("chosen", pa.int32(), "index of the choice picked; -1 for none"),
        _field("answer", pa.int32(), "index of the right choice"),
        _field("log_likelihoods", pa.list_(pa.float64()), "per choice, nats"),
        _field("task", pa.string(), "name of the task; empty where the class is the task"),
        _field("response", pa.string(), "text that the model wrote; empty for choices"),
        _field("tokens", pa.int32(), "tokens of the response"),
        _field("finish", pa.string(), "what ended the response: stop, length or unanswered"),
        _field("note", pa.string(), "why an item is unanswered; empty otherwise"),
        _field(
            "group",
            pa.string(),
            "passage or subject that the item shares with others, by which intervals are made; "
            "empty for an item by itself",
        ),
        _field(
            "prompt_tokens",
            pa.int32(),
            "tokens that the item asked alone takes into an empty cache, its choices with it; null "
            "where it is not known",
        ),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "attempts": ATTEMPTS,
    "metrics": METRICS,
    "samples": SAMPLES,
    "items": ITEMS,
}


def file_schema(table: str) -> pa.Schema:
    """The schema of a table's files, with version and table name in its metadata."""
    return TABLES[table].with_metadata(
        {VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: table.encode()}
    )

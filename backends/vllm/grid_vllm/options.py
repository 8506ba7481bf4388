"""Options of the engine: names, kinds, defaults, and what goes with what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grid.backend import (
    Check,
    InputError,
    Node,
    Options,
    complete_options,
    flag,
    noise_batch,
    noise_threads,
    one_of,
    whole_number,
)

DTYPES: dict[str, int] = {"auto": 2, "bfloat16": 2, "float16": 2, "float32": 4}
"""Types of activations and of plain weights -> bytes an element; `auto` is the checkpoint's own
16-bit type."""
KV_TYPES: dict[str, int] = {
    "auto": 0,
    "float16": 2,
    "bfloat16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
}
"""Types of the key and value cache -> bytes an element; `auto` is the activations' type."""

_MAX_BATCH = 65_536

SPECULATIVE = frozenset({"speculative_config"})


def speculative_config(name: str, value: Any) -> str:
    """vLLM's own JSON object, in one spelling. Raises InputError for anything else."""
    if value == "":
        return ""
    try:
        content = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content:
        example = '\'{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3}\''
        raise InputError(f"option {name} = {value!r}: write vLLM's JSON object, such as {example}")
    return json.dumps(content, sort_keys=True)


CHECKS: Mapping[str, Check] = {
    "device": one_of("cpu", "accelerator"),
    "dtype": one_of(*DTYPES),
    "kv_dtype": one_of(*KV_TYPES),
    "kv_bytes": whole_number(0, 2**50),
    "max_len": whole_number(16, 2**24),
    "batch": whole_number(1, _MAX_BATCH),
    "sequences": whole_number(1, 4096),
    "eager": flag,
    "threads": whole_number(0, 4096),
    "speculative_config": speculative_config,
}
"""Every option.

`device`: where weights and cache lie, for planning; the node's accelerator where it has one.
`dtype`: the checkpoint's own 16-bit type by default (on a CPU quantized weights have that of their
kernels), so that quality, speed and memory are of the one configuration that a user of vLLM gets.
On a CPU its floor against another engine's 16 bits was 1e-6 nats a token in float16 and 6e-5 in
bfloat16 (the head's 16-bit logits are most of it), 5e-8 in float32, which takes twice the memory
and which quantized weights do not run in.

`kv_bytes`: bytes of the key and value cache; 0 for what `max_len` tokens take. `max_len`: most
tokens of a sequence, at most the model's own context. `batch`: tokens computed at once; a longer
prompt is cut into pieces of it. `sequences`: requests computed at once. `eager`: run the model as
written instead of compiling it at each load; the default on a CPU.
`threads`: 0 for as many as the node has cores; a CPU's only. `speculative_config`: how tokens are
guessed, as vLLM takes it: a draft model, n-grams of the prompt, or a model's own heads (MTP).
"""


def complete(requested: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    device = requested.get("device", "accelerator" if node.accelerators else "cpu")
    defaults: Options = {
        "device": device,
        "dtype": "auto",
        "kv_dtype": "auto",
        "kv_bytes": 0,
        "max_len": 4096,
        "batch": 2048,
        "sequences": 16,
        "eager": device == "cpu",
        "threads": 0,
    }
    options = complete_options("vllm", requested, CHECKS, defaults)
    options["threads"] = options["threads"] or node.cores
    if not options.get("speculative_config", True):
        del options["speculative_config"]
    if int(options["sequences"]) > int(options["batch"]):
        raise InputError(
            f"option sequences = {options['sequences']} is larger than "
            f"batch = {options['batch']}; make it at most batch"
        )
    return options


def noise_options(options: Options) -> Options:
    """The same computation in other pieces: prompts cut at another length, other threads."""
    batch, sequences = int(options["batch"]), int(options["sequences"])
    another = noise_batch(batch)
    if another < sequences:
        another = sequences if sequences != batch else 2 * batch
    return {**options, "batch": another, "threads": noise_threads(int(options["threads"]))}

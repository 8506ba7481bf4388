"""Options of the engine: names, kinds, defaults, and what goes with what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid.backend import (
    Check,
    InputError,
    Node,
    Options,
    complete_options,
    flag,
    noise_threads,
    one_of,
    whole_number,
)
from grid_llamacpp.devices import CARD_OPTIONS, SPLIT_MODES, parse_shares
from grid_llamacpp.overrides import parse_overrides

KV_TYPES: dict[str, int] = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
    "bf16": 30,
}
"""Types that a key or value cache can be kept in -> ggml's number."""

QUANTIZED_KV = frozenset(KV_TYPES) - {"f32", "f16", "bf16"}
_FLASH = one_of("auto", "on", "off")
_MAX_BATCH = 65_536


def _flash(name: str, value: Any) -> Any:
    if type(value) is bool:
        return "on" if value else "off"
    return _FLASH(name, value)


def gguf_path(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"option {name} = {value!r}: write the path of a GGUF file")
    return str(Path(value).expanduser()) if value else ""


CHECKS: Mapping[str, Check] = {
    "threads": whole_number(0, 4096),
    "threads_batch": whole_number(0, 4096),
    "batch": whole_number(1, _MAX_BATCH),
    "ubatch": whole_number(1, _MAX_BATCH),
    "gpu_layers": whole_number(-1, 10_000),
    "flash_attention": _flash,
    "kv_type_k": one_of(*KV_TYPES),
    "kv_type_v": one_of(*KV_TYPES),
    "mmap": flag,
    "cpu_expert_layers": whole_number(0, 10_000),
    "tensor_overrides": parse_overrides,
    "split_mode": one_of(*SPLIT_MODES),
    "tensor_split": parse_shares,
    "main_gpu": whole_number(0, 63),
    "draft": gguf_path,
    "ngram": whole_number(0, 16),
    "draft_tokens": whole_number(0, 64),
}
"""Every option; 0 threads means as many as the node has cores, -1 GPU layers means all.

`draft` is a smaller model of the same vocabulary, whose guesses the model checks several at once;
`ngram` takes guesses from the text, after its last so many tokens; `draft_tokens` is how many are
guessed a step."""

_GUESSERS = frozenset({"draft", "ngram"})
SPECULATIVE = _GUESSERS | {"draft_tokens"}
"""Options of speculative decoding."""

_ABSENT_WHERE_UNUSED = (
    "cpu_expert_layers",
    "tensor_overrides",
    *CARD_OPTIONS,
    *SPECULATIVE,
)
"""Options without a default, so that runs without them are called as before there were any."""

_OTHER_NAMES = {
    "n_cpu_moe": ("cpu_expert_layers",),
    "override_tensor": ("tensor_overrides",),
    "kv_type": ("kv_type_k", "kv_type_v"),
}
"""llama-server's own names of options, and one for both halves of the cache."""


def complete(requested: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    defaults: Options = {
        "threads": 0,
        "threads_batch": 0,
        "batch": 2048,
        "ubatch": 512,
        "gpu_layers": -1 if node.accelerators else 0,
        "flash_attention": "auto",
        "kv_type_k": "f16",
        "kv_type_v": "f16",
        "mmap": True,
    }
    options = complete_options("llamacpp", _own_names(requested), CHECKS, defaults)
    options["threads"] = options["threads"] or node.cores
    options["threads_batch"] = options["threads_batch"] or options["threads"]
    if options.get("split_mode") == "layer":  # llama.cpp's own
        del options["split_mode"]
    if "draft_tokens" in options and not options.keys() & _GUESSERS:
        raise InputError("option draft_tokens guesses nothing by itself; set draft or ngram too")
    for name in _ABSENT_WHERE_UNUSED:
        if not options.get(name, True):
            del options[name]
    if not options.keys() & _GUESSERS:  # the plain variant of a list such as ngram = [0, 3]
        options.pop("draft_tokens", None)
    _check_together(options)
    return options


def _own_names(requested: Mapping[str, Any]) -> dict[str, Any]:
    """The request with options under their own names. Raises InputError for one that is there
    twice."""
    named: dict[str, Any] = {}
    for written, value in requested.items():
        for name in _OTHER_NAMES.get(written, (written,)):
            if name in named:
                raise InputError(f"option {name} is there twice; {written} sets it too")
            named[name] = value
    return named


def _check_together(options: Options) -> None:
    _check_speculation(options)
    if "tensor_split" in options and options.get("split_mode") == "none":
        raise InputError(
            'option tensor_split shares a model among cards, and split_mode = "none" puts it on '
            "one; leave one of them out"
        )
    if int(options["ubatch"]) > int(options["batch"]):
        raise InputError(
            f"option ubatch = {options['ubatch']} is larger than batch = {options['batch']}; "
            "make it at most batch"
        )
    if options["kv_type_v"] in QUANTIZED_KV and options["flash_attention"] == "off":
        raise InputError(
            f"option kv_type_v = {options['kv_type_v']!r} needs flash attention; "
            'set flash_attention = "on" or kv_type_v = "f16"'
        )


def _check_speculation(options: Options) -> None:
    if "draft" in options and "ngram" in options:
        raise InputError("options draft and ngram both guess tokens; leave one of them out")
    if int(options.get("draft_tokens", 0)) >= int(options["ubatch"]):
        raise InputError(
            f"option draft_tokens = {options['draft_tokens']} does not fit in a batch of ubatch = "
            f"{options['ubatch']}; make it smaller"
        )


def noise_options(options: Options) -> Options:
    """The same computation in other pieces: another physical batch, another number of threads."""
    ubatch = int(options["ubatch"])
    noise_ubatch = max(1, ubatch // 4) if ubatch > 1 else min(64, int(options["batch"]))
    threads = noise_threads(int(options["threads"]))
    return {
        **options,
        "ubatch": noise_ubatch,
        "threads": threads,
        "threads_batch": threads,
    }

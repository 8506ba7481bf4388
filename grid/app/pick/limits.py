"""The limits of the page Pick: three on the card, the others folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from grid.advice import BUDGETS_GB, RATES, TOLERANCE, uses
from grid.advice.ask import MOST_SESSIONS, PROMPT
from grid.analysis.dataset import Dataset
from grid.analysis.memory import KV_TYPES
from grid.app import address
from grid.errors import InputError
from grid.units import GIB, parse_memory

WHOLE = "all of it"
"""Of a measured machine: the memory that it has."""

USUAL, CONTEXTS = "usual", ("512", "1k", "2k", "4k", "8k", "16k", "32k", "64k", "128k")
ANY = "any"
PER_SECOND = " token/s"

Fields = dict[str, Any]
"""Fields of an Ask."""


def draw_main_limits(memories: list[str], places: Sequence[DeltaGenerator]) -> Fields:
    """Memory, context and least speed in three places. `memories` are what the box for memory
    offers, the usual one first."""
    with places[0]:
        memory = address.select_or_type(
            "Memory", memories, "memory", read_memory,
            help="What models may take. Choose, or type a size such as 20 GiB.",
        )  # fmt: skip
    with places[1]:
        context = choose_context("context")
    with places[2]:
        rate = choose_least_rate("speed")
    limits: Fields = {"context": context, "min_decode_tps": rate}
    return limits if memory is None else {**limits, "memory_bytes": memory}


def choose_context(key: str) -> int | None:
    """A box for the tokens of context; None for the usual."""
    return address.select_or_type(
        "Context", [USUAL, *CONTEXTS], key, read_context,
        help="Tokens that the memory must hold. The usual is 4k, or what a model is made for.",
    )  # fmt: skip


def choose_least_rate(key: str) -> float | None:
    """A box for the least decode rate, token/s; None for any."""
    return address.select_or_type(
        "Least speed", [ANY, *(f"{rate:g}{PER_SECOND}" for rate in RATES.values())], key,
        read_rate, help="10 token/s is about as fast as people read.",
    )  # fmt: skip


def choose_sessions(key: str) -> int:
    """A box for how many sessions run at once, each with its own context."""
    return _whole("Sessions at once", key, MOST_SESSIONS, 1)


def budgets(first: str = "") -> list[str]:
    """Memories that machines are sold with, after the usual one."""
    sizes = [f"{size} GiB" for size in BUDGETS_GB]
    return [first, *(size for size in sizes if size != first)] if first else sizes


def read_memory(text: str) -> float | None:
    """Bytes; None for all that the machine has. Raises InputError."""
    if text == WHOLE:
        return None
    size = float(parse_memory(text))
    if size <= 0:
        raise InputError(f"a memory of {text} holds no model; write for example 24 GiB")
    return size


def read_context(text: str) -> int | None:
    """Tokens in `8k`, `8,192` or `8192`; None for the usual. Raises InputError."""
    if text == USUAL:
        return None
    number = text.strip().lower().replace(",", "")
    scale = 1024 if number.endswith("k") else 1
    try:
        tokens = round(float(number.removesuffix("k")) * scale)
    except (ValueError, OverflowError):
        raise InputError(f"{text!r} is no number of tokens; write for example 8k") from None
    if tokens < 1:
        raise InputError(f"a context of {text} holds nothing; write for example 8k")
    return tokens


def read_rate(text: str) -> float | None:
    """Token/s; None for any. Raises InputError."""
    if text == ANY:
        return None
    try:
        rate = float(text.removesuffix(PER_SECOND))
    except ValueError:
        raise InputError(f"{text!r} is no speed; write token/s, for example 20") from None
    if not 0 < rate < 1e9:
        raise InputError(f"a speed of {text} is none; write token/s, for example 20")
    return rate


def draw_other_limits(dataset: Dataset) -> Fields:
    """All the other limits."""
    left, right = st.columns(2)
    with left:
        limits: Fields = {
            "use": address.select("Use", list(uses()), "use"),
            "kv_type": address.select(
                "KV cache", list(KV_TYPES), "kv", index=list(KV_TYPES).index("f16")
            ),
            "max_ttft_s": address.enter_number(
                "Longest wait for the first token, s", "wait", 0.001, 1e6, format="%.6g",
                placeholder="no limit",
            ),
        }  # fmt: skip
        limits["prompt"] = _whole("after a prompt of, tokens", "prompt", 1_000_000, PROMPT)
        limits["sessions"] = choose_sessions("sessions")
    with right:
        limits["reserved_bytes"] = _gib("Memory left to others, GiB", "reserved", 0.0)
        limits["max_bytes"] = _gib("Largest file, GiB", "size", 0.0001)
        percent = address.enter_number(
            "Least share of 16-bit quality, %", "share", 1.0, 100.0, placeholder="no limit",
            format="%.6g",
        )  # fmt: skip
        limits["min_share"] = None if percent is None else percent / 100
        limits["tolerance"] = address.enter_number(
            "Capability that a smaller one may lose", "loss", 0.0, 0.5, TOLERANCE, 0.005,
            format="%.3f", help="Expected against the best that fits. Without tasks in nat of KLD.",
        )  # fmt: skip
        limits["imported"] = _third_party(dataset)
    return limits


def _third_party(dataset: Dataset) -> bool:
    """Whether figures of others may be picked; not a question where there are none."""
    with_imports = [hardware_class.has_imports for hardware_class in dataset.classes]
    return any(with_imports) and address.tick(
        "Third-party figures may be picked", "imported", all(with_imports)
    )


def _gib(label: str, key: str, least: float) -> float | None:
    """Bytes of a size in GiB; None for no limit."""
    size = address.enter_number(label, key, least, 1e6, placeholder="no limit", format="%.6g")
    return None if size is None else size * GIB


def _whole(label: str, key: str, most: int, default: int) -> int:
    return int(address.enter_number(label, key, 1, most, default) or default)

"""The widgets of the Advise page: a machine, limits and a use, as an Ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from grid.advice import BUDGETS_GB, INTERACTIVE, RATES, TOLERANCE, Ask, uses
from grid.advice.ask import CONTEXT, MOST_SESSIONS
from grid.analysis.dataset import Dataset
from grid.analysis.memory import KV_TYPES
from grid.hardware.chips import PLATFORMS, Chip, chips
from grid.units import GIB

MEASURED, CHIP, BUDGET = "A measured machine", "A card, Mac or memory", "A memory budget"
CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
PROMPT = 512
USUAL = f"{CONTEXT:,}, or the model's longest"
CUSTOM = "custom"
ANY, TYPED = "any", "other"


def ask_form(dataset: Dataset) -> Ask:
    """What the widgets say. Raises InputError where it makes no sense."""
    kinds = [MEASURED, CHIP, BUDGET]
    kind = st.segmented_control(
        "For", kinds, default=MEASURED, key="advise_kind", persist_state="session"
    )
    machine = _machine(kind or MEASURED, dataset)
    model = _model(dataset, machine.get("hardware"))
    left, middle, right = st.columns(3)
    with left:
        use = _use(dataset, machine.get("hardware"))
    with middle:
        context = st.selectbox(
            "Context, tokens", [None, *CONTEXTS], key="advise_context", persist_state="session",
            format_func=lambda tokens: f"{tokens:,}" if tokens else USUAL,
        )  # fmt: skip
    with right:
        rate = least_rate()
    with st.expander("More limits"):
        limits = _more_limits()
    return Ask(
        **machine,
        **model,
        **use,
        **limits,
        context=context,
        min_decode_tps=rate,
        imported=any(hardware_class.has_imports for hardware_class in dataset.classes)
        and _imported(dataset),
    )


def _machine(kind: str, dataset: Dataset) -> dict[str, Any]:
    if kind == MEASURED:
        names = [hardware_class.name for hardware_class in dataset.classes]
        name = st.selectbox("Hardware class", names, key="advise_class", persist_state="session")
        return {"hardware": name}
    if kind == CHIP:
        return _chip()
    left, middle, right = st.columns(3)
    memory = left.selectbox(
        "Memory", BUDGETS_GB, BUDGETS_GB.index(24), key="advise_memory", persist_state="session",
        format_func=lambda size: f"{size} GiB",
    )  # fmt: skip
    bandwidth = middle.number_input(
        "Bandwidth, GB/s", 1.0, 20_000.0, 400.0, 10.0, key="advise_bandwidth",
        help="Of the memory that holds the model, by its data sheet.", persist_state="session",
    )  # fmt: skip
    platform = right.selectbox(
        "Kind", [None, *PLATFORMS], key="advise_platform", persist_state="session",
        format_func=lambda name: name or "guess from the bandwidth",
    )  # fmt: skip
    return {
        "memory_bytes": memory * GIB,
        "bandwidth_bytes_s": bandwidth * 1e9,
        "platform": platform,
    }


@st.cache_data(show_spinner=False)
def chip_names() -> list[str]:
    """Names of the catalogue."""
    return sorted(chips())


def _chip() -> dict[str, Any]:
    names = chip_names()
    default = next((i for i, name in enumerate(names) if name.endswith("RTX 4090")), 0)
    left, right = st.columns([2, 1])
    name = left.selectbox(
        "Card, Mac or kind of memory", names, default, key="advise_chip", persist_state="session"
    )
    chip = chips()[name]
    if chip.memory_bytes is not None:
        return {"chip": name, **_main_memory(right, chip)}
    sold = tuple(round(size / GIB) for size in chip.memory_options)
    sizes = sold or BUDGETS_GB
    key = f"advise_memory_of_{name}" if sold else "advise_chip_memory"
    memory = right.selectbox(
        "Its memory", sizes, sizes.index(24) if 24 in sizes else 0, key=key,
        format_func=lambda size: f"{size} GiB", persist_state="session",
    )  # fmt: skip
    return {"chip": name, "memory_bytes": memory * GIB}


def _main_memory(place: DeltaGenerator, chip: Chip) -> dict[str, Any]:
    """A box for main memory beside a card that has its own."""
    if chip.unified or chip.platform == "cpu":
        return {}
    size = place.selectbox(
        "Main memory beside it", [None, *BUDGETS_GB], key="advise_ram", persist_state="session",
        format_func=lambda gib: f"{gib} GiB" if gib else "not used",
        help="What the card has no room for lies there: experts first, then layers.",
    )  # fmt: skip
    return {} if size is None else {"ram_bytes": size * GIB}


def _model(dataset: Dataset, hardware: str | None) -> dict[str, Any]:
    """A box with the models where they do not compare, because no tasks were run."""
    if hardware:
        variants = dataset.variants(hardware)
        has_tasks = any(variant.classes for variant in variants)
        names = {v.model for v in variants if v.kld_mean is not None or v.perplexity is not None}
    else:
        has_tasks = bool(dataset.task_classes)
        names = {name for hardware_class in dataset.classes for name in hardware_class.models}
    if has_tasks or len(names) < 2:
        return {}
    if st.session_state.get("advise_model") not in names:
        st.session_state.pop("advise_model", None)
    model = st.selectbox("Model", sorted(names), key="advise_model", persist_state="session")
    return {"model": model}


def _use(dataset: Dataset, hardware: str | None) -> dict[str, Any]:
    use = st.selectbox("Use", [*uses(), CUSTOM], key="advise_use", persist_state="session")
    if use != CUSTOM:
        return {"use": use}
    weights = _weights(_classes(dataset, hardware))
    return {"weights": weights} if any(weights.values()) else {}


def _classes(dataset: Dataset, hardware: str | None) -> Sequence[str]:
    """Task classes that were measured, on the machine or anywhere."""
    names = [hardware] if hardware else [hardware_class.name for hardware_class in dataset.classes]
    return sorted({task for n in names for v in dataset.variants(n) for task in v.classes})


def _weights(names: Sequence[str]) -> Mapping[str, float]:
    return {
        name: st.number_input(
            f"Weight of {name}", 0.0, 10.0, 1.0, 0.5, key=f"advise_weight_{name}",
            persist_state="session",
        )
        for name in names
    }  # fmt: skip


def least_rate() -> float | None:
    def rate_label(name: str) -> str:
        return f"{name} ({RATES[name]:g} token/s)" if name in RATES else name

    chosen = st.selectbox(
        "Least decode rate", [ANY, *RATES, TYPED], key="advise_rate", format_func=rate_label,
        persist_state="session",
    )  # fmt: skip
    if chosen in RATES:
        return RATES[chosen]
    if chosen == ANY:
        return None
    return float(
        st.number_input(
            "token/s", 0.1, 1e6, INTERACTIVE, key="advise_rate_other", persist_state="session"
        )
    )


def _more_limits() -> dict[str, Any]:
    left, right = st.columns(2)
    limits: dict[str, Any] = {}
    with left:
        limits["kv_type"] = st.selectbox(
            "KV cache", list(KV_TYPES), list(KV_TYPES).index("f16"), key="advise_kv",
            persist_state="session",
        )  # fmt: skip
        wait = _optional("Greatest time to first token, s", "advise_ttft", 0.001)
        prompt = st.number_input(
            "for a prompt of, tokens", 1, 1_000_000, PROMPT, key="advise_prompt",
            persist_state="session",
        )  # fmt: skip
        limits |= {"max_ttft_s": wait, "prompt": int(prompt), "sessions": sessions_at_once()}
    with right:
        reserved_gib = _optional("Memory left to others, GiB", "advise_reserved", 0.0)
        size_gib = _optional("Largest file, GiB", "advise_size", 0.0001)
        share_percent = _optional("Least share of 16-bit quality, %", "advise_share", 1.0, 100.0)
        limits["reserved_bytes"] = None if reserved_gib is None else reserved_gib * GIB
        limits["max_bytes"] = None if size_gib is None else size_gib * GIB
        loss = st.number_input(
            "Capability that a smaller one may lose", 0.0, 0.5, TOLERANCE, 0.005, format="%.3f",
            key="advise_tolerance", persist_state="session",
            help="Expected against the best that fits. Without tasks in nats of KLD.",
        )  # fmt: skip
        limits["tolerance"] = loss
        limits["min_share"] = None if share_percent is None else share_percent / 100
    return limits


def sessions_at_once() -> int:
    """How many sessions run at once, each with its own context."""
    count = st.number_input(
        "Sessions at once", 1, MOST_SESSIONS, 1, key="advise_sessions", persist_state="session"
    )
    return int(count)


def _optional(title: str, key: str, least: float, most: float = 1e6) -> float | None:
    limit = st.number_input(
        title, least, most, None, key=key, placeholder="no limit", persist_state="session",
        format="%.6g",
    )  # fmt: skip
    return None if limit is None else float(limit)


def _imported(dataset: Dataset) -> bool:
    only_imports = all(hardware_class.has_imports for hardware_class in dataset.classes)
    return bool(
        st.checkbox(
            "Third-party figures may be picked", only_imports, key="advise_imported",
            persist_state="session",
        )
    )  # fmt: skip

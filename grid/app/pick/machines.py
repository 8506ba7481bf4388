"""Which machine the page Pick is about: the measured one, or hardware that nobody measured."""

from __future__ import annotations

import streamlit as st

from grid.analysis.dataset import HardwareClass
from grid.app import address
from grid.app.pick.limits import WHOLE, Fields, budgets
from grid.hardware.chips import PLATFORMS, Chip, chips
from grid.units import GIB, format_bytes

MEASURED, CHIP, BUDGET = "this hardware", "a card, Mac or memory", "a memory budget"
KINDS = (MEASURED, CHIP, BUDGET)
NOT_USED = "not used"
GUESS = "guess from the bandwidth"


def draw_machine(hardware: HardwareClass) -> tuple[Fields, list[str]]:
    """Fields of an Ask that name the machine, and what its box for memory offers."""
    kind = address.segments("Advice for", KINDS, "machine")
    if kind == CHIP:
        return _draw_chip()
    if kind == BUDGET:
        return _draw_budget(), budgets("24 GiB")
    return {"hardware": hardware.name}, budgets(WHOLE)


@st.cache_data(show_spinner=False)
def chip_names() -> list[str]:
    """Names of the catalogue."""
    return sorted(chips())


def _draw_chip() -> tuple[Fields, list[str]]:
    names = chip_names()
    default = next((i for i, name in enumerate(names) if name.endswith("RTX 4090")), 0)
    left, right = st.columns([2, 1])
    with left:
        name = address.select("Card, Mac or kind of memory", names, "chip", index=default)
    chip = chips()[name]
    with right:
        fields: Fields = {"chip": name} | _draw_main_memory(chip)
    if chip.memory_bytes is not None:
        return fields, budgets(WHOLE)
    sold = [format_bytes(size) for size in chip.memory_options]
    usual = "24 GiB" if not sold or "24 GiB" in sold else sold[0]
    return fields, [usual, *(size for size in sold or budgets() if size != usual)]


def _draw_main_memory(chip: Chip) -> Fields:
    """A box for main memory beside a card that has its own."""
    if chip.unified or chip.platform == "cpu":
        return {}
    size = address.select(
        "Main memory beside it", [NOT_USED, *budgets()], "ram",
        help="What the card has no room for lies there: experts first, then layers.",
    )  # fmt: skip
    return {} if size == NOT_USED else {"ram_bytes": float(size.split()[0]) * GIB}


def _draw_budget() -> Fields:
    left, right = st.columns(2)
    with left:
        bandwidth = address.enter_number(
            "Bandwidth, GB/s", "bandwidth", 1.0, 20_000.0, 400.0, 10.0,
            help="Of the memory that holds the model, by its data sheet.",
        )  # fmt: skip
    with right:
        platform = address.select("Kind", [GUESS, *PLATFORMS], "platform")
    return {
        "bandwidth_bytes_s": (bandwidth or 400.0) * 1e9,
        "platform": None if platform == GUESS else platform,
    }

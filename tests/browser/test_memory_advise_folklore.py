"""Memory, Advise and Folklore say what the rows say, and answer to real clicks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from browser.harness import (
    App,
    page_of,
    rerun,
    rows_of,
    select,
    shot,
    traces,
    unfold,
    words,
)  # fmt: skip
from browser.truth import Key, Truth

MIB = 2**20


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def cache_bytes(truth: Truth, tokens: int) -> dict[Key, int]:
    """KV cache at 16 bits from the layers that the rows keep."""
    sizes = {}
    for row in truth.attempts.values():
        layers = json.loads(row["kv_cache"])
        each = sum(layer["key"] + layer["value"] for layer in layers)
        sizes[row["model"], row["quant"]] = 2 * tokens * each
    return sizes


def total_bytes(truth: Truth, tokens: int) -> dict[Key, float]:
    """Weights, cache, and what the process took beside both when 512 tokens were measured."""
    peaks = truth.metric("memory", "peak_rss_bytes")
    measured, wanted = cache_bytes(truth, 512), cache_bytes(truth, tokens)
    return {key: peaks[key] - measured[key] + wanted[key] for key in peaks}


def test_memory_adds_weights_cache_and_the_rest(app: App, truth: Truth) -> None:
    page = page_of(app, "Memory")
    totals = total_bytes(truth, 4096)
    assert f"{len(totals)} of {len(totals)} fit 8 GiB with 4,096 tokens" in words(page)
    drawn = [trace for trace in traces(page, "memory_chart") if trace["type"] == "bar"]
    sums = sorted(sum(parts) for parts in zip(*(trace["x"] for trace in drawn), strict=True))
    assert sums == pytest.approx(sorted(total / MIB for total in totals.values()), rel=1e-6)
    assert "were made for a shorter context" in words(page)


def test_a_small_budget_leaves_the_large_ones_out(app: App, truth: Truth) -> None:
    page = page_of(app, "Memory")
    totals = total_bytes(truth, 4096)
    budget = sorted(totals.values())[len(totals) // 2] / 2**30
    select(page, "Memory", "other")
    box = page.get_by_role("spinbutton", name="GiB")
    box.fill(f"{budget:.2f}")
    box.press("Enter")
    rerun(page)
    inside = sum(total <= float(f"{budget:.2f}") * 2**30 for total in totals.values())
    if inside:
        assert f"{inside} of {len(totals)} fit" in words(page)
    else:
        assert "Nothing fits" in words(page)


def recommended(swept: Path, *options: str) -> dict[str, Any]:
    """What the terminal says; its own figures are checked in tests of the advice."""
    done = subprocess.run(
        [sys.executable, "-m", "grid", "recommend", "--store", str(swept), "--json", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_advice_is_that_of_the_terminal_with_the_figures_of_the_rows(
    app: App, swept: Path, truth: Truth
) -> None:
    page = page_of(app, "Advise")
    shown, advice = words(page), recommended(swept)
    assert advice["answer"].lower() in shown.lower()
    pick = advice["pick"]
    key = (pick["model"], pick["quant"])
    assert f"{truth.capability[key]:.3f}" in shown
    rate = truth.metric("decode", "decode_tps", depth=0)[key]
    assert f"{rate:,.0f} token/s" in shown
    assert "measured here" in shown
    head, *rivals = rows_of(page, "advise_rivals")
    assert head[1:3] == ["variant", "why not"] or head[:2] == ["variant", "why not"]
    assert len(rivals) == len(truth.sizes) - 1


def test_a_card_that_nobody_measured_gets_a_prediction_marked_as_one(app: App) -> None:
    page = page_of(app, "Advise")
    page.get_by_role("radio", name="A card, Mac or memory").click()
    rerun(page)
    shown = words(page)
    assert "RTX 4090" in shown
    assert "predicted" in shown
    assert "with a class left out" in shown
    shot(page, "advise-card-1280-light")


def test_a_limit_that_nothing_meets_says_what_to_relax(app: App) -> None:
    page = page_of(app, "Advise")
    select(page, "Context, tokens", "131,072")
    assert "lower context" in words(page) or "nothing" in words(page).lower()
    page = page_of(app, "Advise")
    unfold(page, "More limits")
    box = page.get_by_role("spinbutton", name="Largest file, GiB")
    box.fill("0.0001")
    box.press("Enter")
    rerun(page)
    shown = words(page)
    assert "To get an answer" in shown
    assert re.search(r"raise size from \S+ KiB to \S+ [KM]iB for", shown)
    shot(page, "advise-nothing-1280-light")


def test_every_rule_of_thumb_has_one_verdict_and_its_numbers(
    app: App, swept: Path, truth: Truth
) -> None:
    page = page_of(app, "Folklore")
    shown = words(page)
    sentence = re.search(r"Of (\d+) common rules (\d+) hold here, (\d+) are contradicted, and for "
                      r"(\d+) there is not enough data", shown)  # fmt: skip
    assert sentence is not None
    total, *parts = map(int, sentence.groups())
    assert sum(parts) == total > 30
    head, whole = truth.capability["large", "Q2_K"], truth.capability["large", "F16"]
    page.get_by_role("tab", name=re.compile("Not enough data")).click()
    rerun(page)
    loss = re.search(r"large Q2_K ([0-9.]+) %", words(page))
    assert loss is not None
    assert float(loss[1]) == pytest.approx(100 * (1 - head / whole), abs=0.5)  # mean of the draws
    judged = json.loads(
        subprocess.run(
            [sys.executable, "-m", "grid", "folklore", "--store", str(swept), "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
    )
    no = [rule["text"] for rule in judged if rule["verdict"] == "contradicted"]
    assert len(no) == parts[1]
    page.get_by_role("tab", name=re.compile("Contradicted")).click()
    rerun(page)
    assert all(text[1:] in words(page) for text in no)
    shot(page, "folklore-contradicted-1280-light")

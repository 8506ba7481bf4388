"""Names of strangers: everything in them shows, and short forms stay apart."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.models.display_names import (
    least_distinct_width,
    shorten,
    shorten_distinct,
    visible,
    visible_json,
)

ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that act or do not show."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("Q4\u202eM_K", r"Q4\u202eM_K"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("cut\udc80", r"cut\udc80"),
        ("\u3164", r"\u3164"),
    ],
)
def test_what_does_not_show_stands_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("name", ["Q4_K_M", "Qwen2.5-7B é 中文 ★ ±", "[bold]x[/bold]", "a\\x1b"])
def test_names_that_show_stay_as_they_are(name: str) -> None:
    assert visible(name) == name


def test_texts_keep_their_lines_and_joiners_and_nothing_that_acts() -> None:
    assert visible("a\n\tb\u200d\u00a0\x1b[0m", prose=True) == "a\n\tb\u200d\u00a0\\x1b[0m"


@given(st.text(st.characters(codec=None)))
def test_no_character_of_a_shown_name_acts(text: str) -> None:
    shown = visible(text)
    assert not ACTING & {unicodedata.category(c) for c in shown}
    assert visible(shown) == shown


@given(st.text(), st.booleans())
def test_json_of_any_text_shows_and_is_the_same_value(text: str, plain: bool) -> None:
    encoded = visible_json(json.dumps([text], ensure_ascii=False), plain)
    assert json.loads(encoded) == [text]
    assert not ACTING & {unicodedata.category(c) for c in encoded}
    assert encoded.isascii() or not plain


def test_a_long_name_loses_its_middle() -> None:
    assert shorten("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", 16) == "Meta-Ll…K_M.gguf"
    assert shorten("short", 16) == "short"


@given(st.lists(st.text("abQ4_", min_size=1, max_size=40), max_size=12), st.integers(3, 30))
def test_short_forms_of_different_names_differ(names: list[str], width: int) -> None:
    short = shorten_distinct(names, width)
    assert set(short) == set(names)
    assert len(set(short.values())) == len(set(names))
    assert all(form == name or len(form) <= width for name, form in short.items())


@pytest.mark.parametrize("place", [0, 12, 39])
def test_a_hundred_long_names_are_told_apart_wherever_they_differ(place: int) -> None:
    names = [f"{'x' * place}{number:03}{'y' * (60 - place)}" for number in range(100)]
    width = least_distinct_width(names, 12)
    assert width <= 48
    assert max(map(len, shorten_distinct(names, width).values())) <= width

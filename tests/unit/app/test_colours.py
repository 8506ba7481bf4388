"""Colours of the page and of its charts can be read in both themes (WCAG 2.1 AA)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from grid.app.charts.theme import Look
from grid.app.colours import DARK, LIGHT, theme_settings

TEXT, MARK = 4.5, 3.0
"""Least contrast of texts, and of marks that carry meaning."""

CAPTION = 0.6
"""Opacity of Streamlit's captions."""

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
LOOKS = pytest.mark.parametrize("look", [Look(), Look(dark=True)], ids=["light", "dark"])


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, ground: str, share: float) -> str:
    pairs = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@THEMES
def test_texts_captions_and_links_are_readable_on_both_grounds(theme: Mapping[str, str]) -> None:
    for ground in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        caption = mixed(theme["textColor"], ground, CAPTION)
        for colour in (theme["textColor"], caption, theme["linkColor"], theme["primaryColor"]):
            assert contrast(colour, ground) >= TEXT


@LOOKS
def test_texts_and_marks_of_charts_are_readable(look: Look) -> None:
    assert contrast(look.ink, look.ground) >= TEXT
    for colour in (*look.colours(8), look.muted, look.good, look.accent):
        assert contrast(colour, look.ground) >= MARK


@LOOKS
def test_a_chart_stands_on_the_ground_of_the_page(look: Look) -> None:
    assert look.ground == (DARK if look.dark else LIGHT)["backgroundColor"]


def test_streamlit_run_has_the_colours_of_grid_app() -> None:
    config = tomllib.loads((Path(__file__).parents[3] / ".streamlit" / "config.toml").read_text())
    settings = {
        f"theme.{name}.{key}": value
        for name, theme in config["theme"].items()
        for key, value in theme.items()
    }
    assert settings == theme_settings()

"""Colours of the page in both themes: contrast is at least 4.5 for texts and 3 for marks."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "backgroundColor": "#FFFFFF",
    "secondaryBackgroundColor": "#F4F5F7",
    "textColor": "#121419",
    "primaryColor": "#0072B2",
    "linkColor": "#005F96",
}
DARK: Mapping[str, str] = {
    "backgroundColor": "#0E1117",
    "secondaryBackgroundColor": "#1A1E27",
    "textColor": "#F2F3F5",
    "primaryColor": "#56B4E9",
    "linkColor": "#7CC4EE",
}
"""Settings of Streamlit's themes. Captions are the text at 60 %: a paler text would make them
unreadable."""


def theme_settings() -> dict[str, str]:
    """By the names of Streamlit's settings: `theme.light.primaryColor`."""
    themes = {"light": LIGHT, "dark": DARK}
    return {
        f"theme.{name}.{key}": value for name, of in themes.items() for key, value in of.items()
    }


def style(dark: bool) -> str:
    """CSS: a visible focus, code in one colour, and dark words on light buttons and tags."""
    colours = DARK if dark else LIGHT
    button = (
        f"""
      [data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"] {{
        color: {DARK["backgroundColor"]};
      }}
      [data-baseweb="tag"] {{ color: {DARK["backgroundColor"]}; }}"""
        if dark
        else ""
    )
    return f"""
      [data-testid="stApp"] :focus-visible {{
        outline: 2px solid {colours["primaryColor"]}; outline-offset: 2px;
      }}
      [data-testid="stCode"] .token {{ color: inherit !important; }}{button}
    """

"""What is chosen lives in the page's address: widgets bound to its parameters by their key.

A reload keeps it and a link shares it. A value that the page does not know is left out, and named
in one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from grid.app.page_parts import plain
from grid.errors import InputError
from grid.models.display_names import visible

T = TypeVar("T")

_IGNORED, _CHECKED, _PARAMETERS = "address_ignored", "address_checked", "address_parameters"
"""Where a session keeps values that were left out, the keys that were looked at, and the parameters
of the last run."""


def begin() -> None:
    """Forget the parameters of the last run: call it before a page is drawn."""
    st.session_state[_PARAMETERS] = {}


def link() -> str:
    """The address of the page as it was drawn, with all that is chosen."""
    query = urlencode(st.session_state.get(_PARAMETERS, {}), doseq=True)
    base = (st.context.url or "").partition("?")[0]
    return f"{base}?{query}" if query else base


def ignored_text() -> str:
    """The sentence on values that were left out, as Markdown; empty where there are none."""
    ignored = st.session_state.get(_IGNORED, {})
    if not ignored:
        return ""
    named = ", ".join(f"{key}={value}" for key, value in ignored.items())
    return f"Left out, because this page cannot use it: {plain(named)}."


def set_parameter(key: str, value: str | Sequence[str]) -> None:
    """Have the link carry a parameter."""
    st.session_state.setdefault(_PARAMETERS, {})[key] = value


def select(
    label: str,
    options: Sequence[T],
    key: str,
    text: Callable[[T], str] = str,
    index: int = 0,
    **settings: Any,
) -> T:
    """A box with one choice."""
    texts = [text(option) for option in options]
    _note_unknown(key, lambda value: value in texts)
    if key in st.session_state and st.session_state[key] not in options:
        st.session_state[key] = options[index]
    chosen: T = st.selectbox(
        label, options, index, text, key=key, bind="query-params", on_change=_forget, **settings
    )
    if chosen != options[index]:
        set_parameter(key, text(chosen))
    return chosen


def select_optional(
    label: str, options: Sequence[T], key: str, text: Callable[[T], str] = str, **settings: Any
) -> T | None:
    """A box with one choice or none."""
    texts = [text(option) for option in options]
    _note_unknown(key, lambda value: value in texts)
    if st.session_state.get(key) is not None and st.session_state[key] not in options:
        st.session_state[key] = None
    chosen: T | None = st.selectbox(
        label, options, None, text, key=key, bind="query-params", on_change=_forget, **settings
    )
    if chosen is not None:
        set_parameter(key, text(chosen))
    return chosen


def select_several(
    label: str, options: Sequence[str], key: str, placeholder: str = "all", **settings: Any
) -> list[str]:
    """A box with any number of choices."""
    texts = list(map(visible, options))
    _note_unknown(key, lambda value: value in texts)
    if key in st.session_state:
        st.session_state[key] = [v for v in st.session_state[key] if v in options]
    chosen: list[str] = st.multiselect(
        label, options, format_func=visible, key=key, placeholder=placeholder,
        bind="query-params", on_change=_forget, **settings,
    )  # fmt: skip
    if chosen:
        set_parameter(key, list(map(visible, chosen)))
    return chosen


def select_or_type(
    label: str, options: Sequence[str], key: str, read: Callable[[str], T], **settings: Any
) -> T:
    """A box with one choice, in which another value may be typed. `read` makes the value of a text
    and raises InputError for what it cannot read: such a text is left out."""
    typed = st.session_state.get(key)
    if typed is not None and not _is_readable(str(typed), read):
        _ignore(key, str(typed))
        st.session_state[key] = options[0]
    chosen = st.selectbox(
        label, options, key=key, accept_new_options=True, bind="query-params", on_change=_forget,
        **settings,
    )  # fmt: skip
    text = str(chosen or options[0])
    if not _is_readable(text, read):  # from the address, which a box that takes all would keep
        st.rerun()
    if text != options[0]:
        set_parameter(key, text)
    return read(text)


def segments(
    label: str, options: Sequence[str], key: str, text: Callable[[str], str] = str, **settings: Any
) -> str:
    """Buttons of which one is pressed; the first at the beginning."""
    texts = [text(option) for option in options]
    _note_unknown(key, lambda value: value in texts)
    if key in st.session_state and st.session_state[key] not in options:
        st.session_state[key] = options[0]
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, format_func=text, key=key,
        bind="query-params", on_change=_forget, **settings,
    )  # fmt: skip
    if chosen and chosen != options[0]:
        set_parameter(key, text(chosen))
    return chosen or options[0]


def enter_number(
    label: str,
    key: str,
    low: float,
    high: float,
    default: float | None = None,
    step: float | None = None,
    **settings: Any,
) -> float | None:
    """A box with a number from `low` to `high`, or none where there is no default."""
    _note_unknown(key, lambda value: low <= float(value) <= high)
    chosen = st.number_input(
        label, low, high, default, step, key=key, bind="query-params", on_change=_forget,
        **settings,
    )  # fmt: skip
    if chosen is not None and chosen != default:
        set_parameter(key, f"{chosen:.12g}")
    return chosen


def enter_text(label: str, key: str, default: str = "", **settings: Any) -> str:
    """A box with a text."""
    text: str = st.text_input(
        label, default, key=key, bind="query-params", on_change=_forget, **settings
    )
    if text != default:
        set_parameter(key, text)
    return text


def tick(label: str, key: str, default: bool = False, **settings: Any) -> bool:
    """A box that is ticked or not."""
    _note_unknown(key, lambda value: value.lower() in {"true", "false"})
    ticked = st.checkbox(
        label, default, key=key, bind="query-params", on_change=_forget, **settings
    )
    if ticked != default:
        set_parameter(key, str(ticked).lower())
    return ticked


def without_widget(key: str, texts: Sequence[str]) -> None:
    """Say what a parameter may be where there is no choice to make."""
    _note_unknown(key, lambda value: value in texts)


def _note_unknown(key: str, is_valid: Callable[[str], bool]) -> None:
    """Remember values of a parameter that its widget will leave out. They can come with the address
    only, and so before the widget was drawn first in a session."""
    checked = st.session_state.setdefault(_CHECKED, set())
    if key in checked:
        return
    checked.add(key)
    unknown = [v for v in st.query_params.get_all(key) if not _holds(is_valid, v)]
    if unknown:
        _ignore(key, ", ".join(unknown))


def _ignore(key: str, value: str) -> None:
    st.session_state.setdefault(_IGNORED, {})[key] = value


def _holds(is_valid: Callable[[str], bool], value: str) -> bool:
    try:
        return is_valid(value)
    except ValueError:
        return False


def _is_readable(value: str, read: Callable[[str], object]) -> bool:
    try:
        number = read(value)
    except InputError:
        return False
    return not (isinstance(number, float) and not math.isfinite(number))


def _forget() -> None:
    """A choice of the user's makes the sentence stale."""
    st.session_state.pop(_IGNORED, None)

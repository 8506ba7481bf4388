"""Compare outputs: the same prompt through several variants, and where their words part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
import streamlit as st

from grid.app.background_command import BackgroundCommand
from grid.app.charts.quantities import short
from grid.app.page_parts import answer, current_look, heading, note
from grid.app.pages import Page
from grid.app.store import open_dataset, store_address
from grid.errors import InputError
from grid.units import format_bytes, format_seconds

PAGE = Page("Compare outputs", path="compare", rank=80)

PROMPT = "The farmer went to the market and"

WHOLE = ("F32", "F16", "BF16")

LIST_S = 120.0
"""Most seconds for finding out what runs here."""

FRESH_S = 300.0
"""Seconds after which it is looked at again what runs here: an engine may have been installed."""

LIMIT_S = 900.0
"""Most seconds for a comparison, making what is not there yet included."""

BESIDE = 3
"""Columns in a row."""

MOST = 12
"""Variants in one comparison."""

POLL_S = 0.5

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!$~|<>:&])")


def draw() -> None:
    heading("Where do their words part?")
    place = store_address()
    dataset = open_dataset()
    if dataset is None:
        return
    if all(any(one.origins) for one in dataset.classes):
        note(
            "These figures are others'; only what was measured here can be run. "
            "`grid sweep` measures models of your own."
        )
        return
    known = _listed(dataset.fingerprint, place)
    usable = [one for one in known if not one["reason"]]
    _unusable([one for one in known if one["reason"]])
    if not usable:
        note("None of the store's variants can be run on this machine.")
        return
    _form(usable, place)
    _watched()
    told = st.session_state.get("compare_result")
    if told:
        _show(told)


@st.cache_data(
    max_entries=3, ttl=FRESH_S, show_spinner="Looking at what can be run on this machine"
)
def _listed(fingerprint: str, place: str) -> list[dict[str, Any]]:
    """The store's variants, with the reason for each that cannot be run here. Raises InputError."""
    job = BackgroundCommand(["compare", "--list", "--json", "--store", place], limit_s=LIST_S)
    job.wait()
    for told in _events(job):
        if told["event"] == "variants":
            return list(told["variants"])
    raise InputError(_failure(job, "what can be run here cannot be told"))


def _events(job: BackgroundCommand) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in job.lines if line.startswith("{")]


def _failure(job: BackgroundCommand, what: str) -> str:
    return f"{what}: {job.why_ended or job.error() or f'exit code {job.code}'}"


def _unusable(found: Sequence[dict[str, Any]]) -> None:
    if found:
        with st.expander(f"{len(found)} of the store's variants cannot be run here"):
            for one in found:
                st.text(f"{one['label']} ({one['backend']}): {one['reason']}")


def _form(usable: Sequence[dict[str, Any]], place: str) -> None:
    titles = titled(usable)
    with st.form("compare_form", border=False):
        chosen = st.multiselect(
            "Variants", list(titles), default=first_choice(usable), max_selections=MOST,
            format_func=titles.__getitem__, key="compare_variants", persist_state="session",
        )  # fmt: skip
        prompt = st.text_area(
            "Prompt", PROMPT, height=100, key="compare_prompt", persist_state="session"
        )
        tokens = st.number_input(
            "Tokens, at most", 1, 512, 64, key="compare_tokens", persist_state="session"
        )
        pressed = st.form_submit_button("Compare", type="primary", disabled=_busy())
    if pressed:
        _start(place, chosen, prompt, int(tokens))


def titled(usable: Sequence[dict[str, Any]]) -> dict[str, str]:
    """By id what a variant is called, with its engine where that tells it from another."""
    labels = [one["label"] for one in usable]
    found = {}
    for one in usable:
        twice = labels.count(one["label"]) > 1
        engine = f", {one['backend']}" if twice else ""
        found[one["id"]] = f"{one['label']} ({format_bytes(one['bytes'])}{engine})"
    return found


def first_choice(usable: Sequence[dict[str, Any]]) -> list[str]:
    """Of the first model 16 bits, the middle and the smallest: what a first look wants."""
    mine = [one for one in usable if one["model"] == usable[0]["model"]]
    mine.sort(key=lambda one: (one["quant"] not in WHOLE, -one["bytes"]))
    picks = [mine[0], mine[len(mine) // 2], mine[-1]]
    return list(dict.fromkeys(one["id"] for one in picks))


def _busy() -> bool:
    job = st.session_state.get("compare_job")
    return isinstance(job, BackgroundCommand) and job.running


def _start(place: str, chosen: Sequence[str], prompt: str, tokens: int) -> None:
    st.session_state.pop("compare_result", None)
    if not chosen:
        raise InputError("choose at least one variant")
    if not prompt.strip():
        raise InputError("the prompt is empty; give a text to go on with")
    wanted = [part for one in chosen for part in ("--variant", one)]
    st.session_state["compare_job"] = BackgroundCommand(
        ["compare", "--store", place, *wanted, "--tokens", str(tokens), "--json", "--prompt", "-"],
        prompt,
        LIMIT_S,
    )
    st.rerun()


def _watched() -> None:
    job = st.session_state.get("compare_job")
    if not isinstance(job, BackgroundCommand):
        return
    if job.running:
        _watch()
        return
    st.session_state.pop("compare_job")
    for told in _events(job):
        if told["event"] == "compared":
            st.session_state["compare_result"] = told
            return
    st.error(_failure(job, "nothing was compared"))


@st.fragment(run_every=POLL_S)
def _watch() -> None:
    """What the job is at, and a button that ends it; the page is drawn again when it has ended."""
    job = st.session_state.get("compare_job")
    if not isinstance(job, BackgroundCommand) or not job.running:
        st.rerun()
    doing = [told for told in _events(job) if told["event"] == "doing"]
    text = f"{doing[-1]['label']}: {doing[-1]['line']}" if doing else "starting"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Running: {text}")
        if st.button("Cancel", key="compare_cancel"):
            job.cancel()


def _show(told: dict[str, Any]) -> None:
    outputs = told["outputs"]
    answer(plain(sentence(outputs)))
    st.text(f"After: {told['prompt']}")
    st.caption(
        "Always the likeliest token, so the same again gives the same. "
        "Grey is what an output has in common with its reference; the framed token is the first "
        "that is not the reference's. Tokens count from 0."
    )
    for start in range(0, len(outputs), BESIDE):
        row = outputs[start : start + BESIDE]
        for column, one in zip(st.columns(len(row)), row, strict=True):
            with column:
                _output(one)
    with st.expander("Token by token"), st.container(key="compare_tokens_table"):
        st.dataframe(token_rows(outputs), hide_index=True)


def sentence(outputs: Sequence[dict[str, Any]]) -> str:
    """Who goes with the reference, who parts from it first, and who gave nothing."""
    ran = [one for one in outputs if one["status"] == "ok"]
    same = [one["label"] for one in ran if one["same"]]
    parted = sorted((one for one in ran if one["parts"]), key=lambda one: one["parts"]["index"])
    parts = []
    if same:
        parts.append(f"No difference in {', '.join(same)}")
    for one in parted:
        told = one["parts"]
        parts.append(
            f"{one['label']} parts at token {told['index']}, with {spelled(told['token'])} instead "
            f"of {spelled(told['reference_token'])}"
        )
    if failed := [one["label"] for one in outputs if one["status"] != "ok"]:
        parts.append(f"{', '.join(failed)} gave nothing")
    if not same and not parted and ran:
        parts.insert(0, "One output, and nothing to compare it with")
    return f"{'; '.join(parts) or 'Nothing was compared'}."


def spelled(token: dict[str, Any] | None) -> str:
    """A token as people read it: its spaces are seen."""
    if token is None:
        return "the end of the text"
    seen = str(token["text"]).replace(" ", "␣").replace("\n", "⏎")
    return f"“{seen}”"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: models write anything."""
    return _MARKS.sub(r"\\\1", text)


def _output(one: dict[str, Any]) -> None:
    st.markdown(f"**{plain(one['label'])}** · {one['backend']}")
    if one["status"] != "ok":
        st.warning(f"{one['status']}: {one['reason']}")
        return
    if one["note"]:
        st.caption(one["note"])
    st.html(body(one, current_look().muted))
    st.caption(figures(one))


def figures(one: dict[str, Any]) -> str:
    """What was seen of its speed, in this one run."""
    told = ["the reference" if one["is_reference"] else f"{len(one['tokens'])} tokens"]
    if one["decode_tps"]:
        told.append(f"{short(one['decode_tps'])} token/s")
    if one["ttft_s"] is not None:
        told.append(f"first after {format_seconds(one['ttft_s'])}")
    if one["ended"]:
        told.append("ended the text itself")
    return ", ".join(told)


def body(one: dict[str, Any], muted: str) -> str:
    """The output as HTML: what is common muted, the parting token in a frame."""
    parts, text = one["parts"], one["text"]
    token = (parts["token"] or {"text": ""})["text"] if parts else ""
    at = parts["common"] if parts else len(text) if one["same"] else 0
    rest = text[at + len(token) :] if text[at:].startswith(token) else text[at:]
    mark = ""
    if parts:
        seen = escape(token).replace("\n", "⏎\n") if token else "(end)"
        mark = (
            '<mark style="background:transparent;color:inherit;font-weight:700;'
            f'border:2px solid;border-radius:3px;padding:0 2px">{seen}</mark>'
        )
    return (
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7">'
        f'<span style="color:{muted}">{escape(text[:at])}</span>{mark}{escape(rest)}</div>'
    )


def token_rows(outputs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """A column for each output, a row for each place."""
    ran = [one for one in outputs if one["status"] == "ok"]
    most = max((len(one["tokens"]) for one in ran), default=0)
    table: dict[str, list[Any]] = {"token": list(range(most))}
    for one in ran:
        texts = [repr(token["text"]) for token in one["tokens"]]
        table[f"{one['label']} · {one['backend']}"] = texts + [""] * (most - len(texts))
    return table

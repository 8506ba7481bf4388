"""Compare outputs: the same prompt through several variants, and where their words differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
import streamlit as st

from grid.analysis.figures import number
from grid.analysis.noise_floors import SIXTEEN_BIT
from grid.app.background_command import BackgroundCommand
from grid.app.page_parts import answer, current_look, heading, note
from grid.app.store import open_dataset, store_address
from grid.errors import InputError
from grid.units import format_bytes, format_seconds

PROMPT = "The farmer went to the market and"

LIST_S = 120.0
"""Most seconds for finding out what runs here."""

FRESH_S = 300.0
"""Seconds after which the list is made anew: an engine may have been installed."""

LIMIT_S = 900.0
"""Most seconds for a comparison, with making the quants that it lacks."""

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
    if all(hardware_class.has_imports for hardware_class in dataset.classes):
        note(
            "These figures are others'; only what was measured here can be run. "
            "`grid sweep` measures models of your own."
        )
        return
    variants = _list_variants(dataset.fingerprint, place)
    usable = [variant for variant in variants if not variant["reason"]]
    _show_unusable([variant for variant in variants if variant["reason"]])
    if not usable:
        note("None of the store's variants can be run on this machine.")
        return
    _form(usable, place)
    _show_progress()
    comparison = st.session_state.get("compare_result")
    if comparison:
        _show(comparison)


@st.cache_data(
    max_entries=3, ttl=FRESH_S, show_spinner="Looking at what can be run on this machine"
)
def _list_variants(fingerprint: str, place: str) -> list[dict[str, Any]]:
    """The store's variants, with the reason for each that cannot be run here. Raises InputError."""
    command = BackgroundCommand(["compare", "--list", "--json", "--store", place], limit_s=LIST_S)
    command.wait()
    for event in _events(command):
        if event["event"] == "variants":
            return list(event["variants"])
    raise InputError(_failure(command, "what can be run here cannot be told"))


def _events(command: BackgroundCommand) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in command.lines if line.startswith("{")]


def _failure(command: BackgroundCommand, what: str) -> str:
    return f"{what}: {command.why_ended or command.error() or f'exit code {command.code}'}"


def _show_unusable(unusable: Sequence[dict[str, Any]]) -> None:
    if unusable:
        with st.expander(f"{len(unusable)} of the store's variants cannot be run here"):
            for variant in unusable:
                st.text(f"{variant['label']} ({variant['backend']}): {variant['reason']}")


def _form(usable: Sequence[dict[str, Any]], place: str) -> None:
    titles = titles_of(usable)
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


def titles_of(usable: Sequence[dict[str, Any]]) -> dict[str, str]:
    """By id what a variant is called, with its engine where that tells it from another."""
    labels = [variant["label"] for variant in usable]
    titles = {}
    for variant in usable:
        twice = labels.count(variant["label"]) > 1
        engine = f", {variant['backend']}" if twice else ""
        titles[variant["id"]] = f"{variant['label']} ({format_bytes(variant['bytes'])}{engine})"
    return titles


def first_choice(usable: Sequence[dict[str, Any]]) -> list[str]:
    """Ids of the first model's 16 bits, middle and smallest variant: what a first look wants."""
    mine = [variant for variant in usable if variant["model"] == usable[0]["model"]]
    mine.sort(key=lambda variant: (variant["quant"] not in SIXTEEN_BIT, -variant["bytes"]))
    picks = [mine[0], mine[len(mine) // 2], mine[-1]]
    return list(dict.fromkeys(variant["id"] for variant in picks))


def _busy() -> bool:
    command = st.session_state.get("compare_job")
    return isinstance(command, BackgroundCommand) and command.running


def _start(place: str, chosen: Sequence[str], prompt: str, tokens: int) -> None:
    st.session_state.pop("compare_result", None)
    if not chosen:
        raise InputError("choose at least one variant")
    if not prompt.strip():
        raise InputError("the prompt is empty; give a text to go on with")
    wanted = [part for variant_id in chosen for part in ("--variant", variant_id)]
    st.session_state["compare_job"] = BackgroundCommand(
        ["compare", "--store", place, *wanted, "--tokens", str(tokens), "--json", "--prompt", "-"],
        prompt,
        LIMIT_S,
    )
    st.rerun()


def _show_progress() -> None:
    command = st.session_state.get("compare_job")
    if not isinstance(command, BackgroundCommand):
        return
    if command.running:
        _watch()
        return
    st.session_state.pop("compare_job")
    for event in _events(command):
        if event["event"] == "compared":
            st.session_state["compare_result"] = event
            return
    st.error(_failure(command, "nothing was compared"))


@st.fragment(run_every=POLL_S)
def _watch() -> None:
    """Show the command's progress and a button that ends it; draw the page again at its end."""
    command = st.session_state.get("compare_job")
    if not isinstance(command, BackgroundCommand) or not command.running:
        st.rerun()
    doing = [event for event in _events(command) if event["event"] == "doing"]
    text = f"{doing[-1]['label']}: {doing[-1]['line']}" if doing else "starting"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Running: {text}")
        if st.button("Cancel", key="compare_cancel"):
            command.cancel()


def _show(comparison: dict[str, Any]) -> None:
    outputs = comparison["outputs"]
    answer(escape_markdown(sentence(outputs)))
    st.text(f"After: {comparison['prompt']}")
    st.caption(
        "Always the likeliest token, so the same again gives the same. "
        "Grey is what an output has in common with its reference; the framed token is the first "
        "that is not the reference's. Tokens count from 0."
    )
    for start in range(0, len(outputs), BESIDE):
        row = outputs[start : start + BESIDE]
        for column, output in zip(st.columns(len(row)), row, strict=True):
            with column:
                _show_output(output)
    with st.expander("Token by token"), st.container(key="compare_tokens_table"):
        st.dataframe(token_rows(outputs), hide_index=True)


def sentence(outputs: Sequence[dict[str, Any]]) -> str:
    """Who goes with the reference, who parts from it first, and who gave nothing."""
    ran = [output for output in outputs if output["status"] == "ok"]
    same = [output["label"] for output in ran if output["same"]]
    diverging = sorted(
        (output for output in ran if output["parts"]), key=lambda output: output["parts"]["index"]
    )
    parts = []
    if same:
        parts.append(f"No difference in {', '.join(same)}")
    for output in diverging:
        place = output["parts"]
        parts.append(
            f"{output['label']} parts at token {place['index']}, with {token_text(place['token'])} "
            f"instead of {token_text(place['reference_token'])}"
        )
    if templated := [output["label"] for output in ran if output.get("templated")]:
        parts.append(f"The prompt went through the chat template of {', '.join(templated)}")
    if failed := [output["label"] for output in outputs if output["status"] != "ok"]:
        parts.append(f"{', '.join(failed)} gave nothing")
    if not same and not diverging and ran:
        parts.insert(0, "One output, and nothing to compare it with")
    return f"{'; '.join(parts) or 'Nothing was compared'}."


def token_text(token: dict[str, Any] | None) -> str:
    """A token as people read it: its spaces are seen."""
    if token is None:
        return "the end of the text"
    text = str(token["text"]).replace(" ", "␣").replace("\n", "⏎")
    return f"“{text}”"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is: models write anything."""
    return _MARKS.sub(r"\\\1", text)


def _show_output(output: dict[str, Any]) -> None:
    st.markdown(f"**{escape_markdown(output['label'])}** · {output['backend']}")
    if output["status"] != "ok":
        st.warning(f"{output['status']}: {output['reason']}")
        return
    if output["note"]:
        st.caption(output["note"])
    st.html(output_html(output, current_look().muted))
    st.caption(run_facts(output))


def run_facts(output: dict[str, Any]) -> str:
    """What was seen of its speed, in this one run."""
    facts = ["the reference" if output["is_reference"] else f"{len(output['tokens'])} tokens"]
    if output["decode_tps"]:
        facts.append(f"{number(output['decode_tps'])} token/s")
    if output["ttft_s"] is not None:
        facts.append(f"first after {format_seconds(output['ttft_s'])}")
    if output["ended"]:
        facts.append("ended the text itself")
    return ", ".join(facts)


def output_html(output: dict[str, Any], muted: str) -> str:
    """The output as HTML: what is common muted, the parting token in a frame."""
    parts, text = output["parts"], output["text"]
    token = (parts["token"] or {"text": ""})["text"] if parts else ""
    at = parts["common"] if parts else len(text) if output["same"] else 0
    remainder = text[at + len(token) :] if text[at:].startswith(token) else text[at:]
    mark = ""
    if parts:
        shown_token = escape(token).replace("\n", "⏎\n") if token else "(end)"
        mark = (
            '<mark style="background:transparent;color:inherit;font-weight:700;'
            f'border:2px solid;border-radius:3px;padding:0 2px">{shown_token}</mark>'
        )
    return (
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7">'
        f'<span style="color:{muted}">{escape(text[:at])}</span>{mark}{escape(remainder)}</div>'
    )


def token_rows(outputs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """A column for each output, a row for each place."""
    ran = [output for output in outputs if output["status"] == "ok"]
    most = max((len(output["tokens"]) for output in ran), default=0)
    table: dict[str, list[Any]] = {"token": list(range(most))}
    for output in ran:
        texts = [repr(token["text"]) for token in output["tokens"]]
        table[f"{output['label']} · {output['backend']}"] = texts + [""] * (most - len(texts))
    return table

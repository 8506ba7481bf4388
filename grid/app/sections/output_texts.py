"""Compared outputs in words, as HTML and as a table; their fields are those of grid compare."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from grid.analysis.figures import number
from grid.models.display_names import visible
from grid.units import format_seconds


def sentence(outputs: Sequence[dict[str, Any]]) -> str:
    """Which outputs are those of the reference, where others first differ, and which failed."""
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
            f"{output['label']} differs from token {place['index']} on: "
            f"{token_text(place['token'])} instead of {token_text(place['reference_token'])}"
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
        shown_token = _shown(token).replace("\n", "⏎\n") if token else "(end)"
        mark = (
            '<mark style="background:transparent;color:inherit;font-weight:700;'
            f'border:2px solid;border-radius:3px;padding:0 2px">{shown_token}</mark>'
        )
    return (
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7">'
        f'<span style="color:{muted}">{_shown(text[:at])}</span>{mark}{_shown(remainder)}</div>'
    )


def _shown(text: str) -> str:
    return escape(visible(text, prose=True))


def token_rows(outputs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """A column for each output, a row for each place."""
    ran = [output for output in outputs if output["status"] == "ok"]
    most = max((len(output["tokens"]) for output in ran), default=0)
    table: dict[str, list[Any]] = {"token": list(range(most))}
    for output in ran:
        texts = [repr(token["text"]) for token in output["tokens"]]
        name = visible(f"{output['label']} · {output['backend']}")
        table[name] = texts + [""] * (most - len(texts))
    return table

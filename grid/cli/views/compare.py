"""`grid compare`: outputs of variants side by side, in a terminal or as JSON lines."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import msgspec
from rich.text import Text

from grid.cli.compare_stored import Stored, chosen_of_store, stored_variants
from grid.cli.views.console import console, number, table
from grid.errors import InputError
from grid.plan.load import load_sweep
from grid.plan.named import asked_sweep
from grid.plan.sweep import Sweep
from grid.sweep.compare import Choice, Comparison, Output, Token, Unusable, compare
from grid.sweep.compare.choice import chosen_of_sweep
from grid.sweep.run import settings_of
from grid.units import format_bytes, format_seconds

BEFORE, AFTER = "»", "«"
"""Around the token where an output parts from its reference."""

LIST_PROMPT = "a"
"""What a listing plans for: a request of the smallest size."""


class Asked(NamedTuple):
    """A comparison as the command line asks for it."""

    file: str | None
    quants: tuple[str, ...]
    prompt: str
    tokens: int
    store: str | None
    variants: tuple[str, ...]
    as_json: bool


def show_comparison(asked: Asked) -> int:
    """Compare, show it, and return the exit code."""
    prompt = _prompt(asked.prompt)
    sweep, choices = _chosen(asked, prompt)
    told = _line if asked.as_json else _said
    done = compare(choices, prompt, asked.tokens, settings_of(sweep), tell=told)
    if asked.as_json:
        _json({"event": "compared", **msgspec.to_builtins(done)})
    else:
        _show(done)
    return 1 if done.failed else 0


def list_variants(store: str, as_json: bool) -> None:
    """What a store has rows of, and whether each can be run on this machine."""
    known = stored_variants(store)
    choices = chosen_of_store(store, [], LIST_PROMPT, tokens=1)
    reasons = [one.reason if isinstance(one, Unusable) else "" for one in choices]
    if as_json:
        rows = [_listed(*pair) for pair in zip(known, choices, strict=True)]
        _json({"event": "variants", "variants": rows})
        return
    heads = ("variant", "size", "backend", "id", "here")
    rows_ = [
        (one.label, format_bytes(one.bytes), one.backend, one.ids[0], reason or "runs")
        for one, reason in zip(known, reasons, strict=True)
    ]
    console().print(table(heads, rows_, right=(1,), wrap=(4,)))


def _listed(one: Stored, choice: Choice | Unusable) -> dict[str, Any]:
    return {
        "id": one.ids[0],
        "label": one.label,
        "model": one.model,
        "quant": one.quant,
        "backend": one.backend,
        "bytes": one.bytes,
        "options": one.options,
        "reason": choice.reason if isinstance(choice, Unusable) else "",
        "note": choice.note if isinstance(choice, Choice) else "",
    }


def _prompt(written: str) -> str:
    if written != "-":
        return written
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the prompt is not UTF-8 (byte {error.start})") from None


def _chosen(asked: Asked, prompt: str) -> tuple[Sweep, list[Choice | Unusable]]:
    if asked.store is None:
        sweep = asked_sweep(asked.file)
        return sweep, chosen_of_sweep(sweep, asked.quants, prompt, asked.tokens)
    if asked.file is not None:
        raise InputError("give a sweep or model to compare, or --store with its variants, not both")
    wanted = list(asked.variants)
    if asked.quants and not wanted:
        quants = {quant.lower() for quant in asked.quants}
        known = stored_variants(asked.store)
        wanted = [one.ids[0] for one in known if one.quant.lower() in quants]
        if not wanted:
            raise InputError(f"{asked.store} has no variant of {', '.join(asked.quants)}")
    return load_sweep(), chosen_of_store(asked.store, wanted, prompt, asked.tokens)


def _show(done: Comparison) -> None:
    out = console()
    heads = ("variant", "engine", "parts at token", "its token", "16 bits'", "token/s", "first")
    rows = [_row(one) for one in done.outputs if one.ok]
    if rows:
        out.print(table(heads, rows, right=(2, 5, 6)))
    for one in done.outputs:
        out.print()
        out.print(_head(one))
        if one.ok:
            out.print(_body(one))
    if any(one.parts for one in done.outputs):
        out.print()
        out.print(f"{BEFORE}token{AFTER}: the first that is not the reference's; tokens from 0")


def _row(one: Output) -> tuple[str, ...]:
    parts = one.parts
    at = "reference" if one.is_reference else "nowhere" if parts is None else str(parts.index)
    return (
        one.label,
        one.backend,
        at,
        _spelled(parts.token) if parts else "",
        _spelled(parts.reference_token) if parts else "",
        number(one.decode_tps),
        format_seconds(one.ttft_s) if one.ttft_s is not None else "-",
    )


def _spelled(token: Token | None) -> str:
    return "(end)" if token is None else repr(token.text)


def _head(one: Output) -> Text:
    head = Text(f"{one.label} ({one.backend})", style="bold")
    if not one.ok:
        head.append(f"  {one.status}: {one.reason}", style="not bold")
    if one.note:
        head.append(f"  {one.note}", style="not bold")
    return head


def _body(one: Output) -> Text:
    """The continuation: what it has in common with the reference dim, the parting token marked."""
    end = " (end of text)" if one.ended else ""
    if one.parts is None:
        return Text(f"{one.text}{end}", style="dim" if one.same else "")
    token = one.parts.token.text if one.parts.token else ""
    body = Text(one.text[: one.parts.common], style="dim")
    body.append(f"{BEFORE}{token}{AFTER}", style="not dim bold")
    body.append(f"{one.text[one.parts.common + len(token) :]}{end}", style="not dim")
    return body


def _said(label: str, line: str) -> None:
    sys.stderr.write(f"{label}: {line}\n")


def _line(label: str, line: str) -> None:
    _json({"event": "doing", "label": label, "line": line})


def _json(value: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()

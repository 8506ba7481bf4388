"""Outputs of compared variants side by side, in a terminal or as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from rich.text import Text

from grid.analysis.figures import number
from grid.cli.stored_variants import StoredVariant
from grid.cli.views.console import console, print_json_line, say, table
from grid.sweep.compare import Choice, Comparison, Output, Token, Unusable
from grid.units import format_bytes, format_seconds

BEFORE, AFTER = "»", "«"
"""Around the token where an output first differs from its reference."""


def progress_printer(as_json: bool) -> Callable[[str, str], None]:
    """What prints a line about a variant's progress: a line of JSON, or one on standard error."""
    return _print_json_line if as_json else _print_line


def print_comparison(comparison: Comparison, as_json: bool) -> None:
    """The outputs, as a table and as texts in which the first difference is marked."""
    if as_json:
        print_json_line({"event": "compared", **msgspec.to_builtins(comparison)})
    else:
        _print_outputs(comparison)


def print_variants(
    variants: Sequence[StoredVariant], choices: Sequence[Choice | Unusable], as_json: bool
) -> None:
    """A store's variants, and why one cannot be run on this machine."""
    pairs = list(zip(variants, choices, strict=True))
    if as_json:
        rows = [_variant_json(variant, choice) for variant, choice in pairs]
        print_json_line({"event": "variants", "variants": rows})
        return
    heads = ("variant", "size", "backend", "id", "here")
    lines = [
        (v.label, format_bytes(v.bytes), v.backend, v.ids[0], _reason(choice) or "runs")
        for v, choice in pairs
    ]
    console().print(table(heads, lines, right=(1,), wrap=(4,), names=(0,), optional=(2,)))


def _variant_json(variant: StoredVariant, choice: Choice | Unusable) -> dict[str, Any]:
    return {
        "id": variant.ids[0],
        "label": variant.label,
        "model": variant.model,
        "quant": variant.quant,
        "backend": variant.backend,
        "bytes": variant.bytes,
        "options": variant.options,
        "reason": _reason(choice),
        "note": choice.note if isinstance(choice, Choice) else "",
    }


def _reason(choice: Choice | Unusable) -> str:
    """Why a variant cannot be run; empty where it can."""
    return choice.reason if isinstance(choice, Unusable) else ""


def _print_outputs(comparison: Comparison) -> None:
    out = console()
    heads = (
        "variant", "engine", "first difference", "its token", "reference", "token/s", "first token",
    )  # fmt: skip
    rows = [_row(output) for output in comparison.outputs if output.ok]
    if rows:
        names, optional = (0, 3, 4), (1, 6, 5)
        out.print(table(heads, rows, right=(2, 5, 6), names=names, optional=optional))
    for output in comparison.outputs:
        out.print()
        out.print(_head(output))
        if output.ok:
            out.print(_body(output))
    if any(output.parts for output in comparison.outputs):
        out.print()
        out.print(
            f"{BEFORE}token{AFTER}: the first that differs from the reference; counted from 0"
        )


def _row(output: Output) -> tuple[str, ...]:
    parts = output.parts
    at = "reference" if output.is_reference else "none" if parts is None else str(parts.index)
    return (
        output.label,
        output.backend,
        at,
        _token_text(parts.token) if parts else "",
        _token_text(parts.reference_token) if parts else "",
        number(output.decode_tps),
        format_seconds(output.ttft_s) if output.ttft_s is not None else "-",
    )


def _token_text(token: Token | None) -> str:
    return "(end)" if token is None else repr(token.text)


def _head(output: Output) -> Text:
    head = Text(f"{output.label} ({output.backend})", style="bold")
    if not output.ok:
        head.append(f"  {output.status}: {output.reason}", style="not bold")
    if output.templated:
        head.append("  chat template", style="not bold")
    if output.note:
        head.append(f"  {output.note}", style="not bold")
    return head


def _body(output: Output) -> Text:
    """The continuation: dim where it equals the reference, the first token that differs marked."""
    end = " (end of text)" if output.ended else ""
    if output.parts is None:
        return Text(f"{output.text}{end}", style="dim" if output.same else "")
    token = output.parts.token.text if output.parts.token else ""
    body = Text(output.text[: output.parts.common], style="dim")
    body.append(f"{BEFORE}{token}{AFTER}", style="not dim bold")
    body.append(f"{output.text[output.parts.common + len(token) :]}{end}", style="not dim")
    return body


def _print_line(label: str, line: str) -> None:
    say(f"{label}: {line}")


def _print_json_line(label: str, line: str) -> None:
    print_json_line({"event": "doing", "label": label, "line": line})

"""Reports that are told apart and not read: what they are, and what to give instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grid.results.imports.source import Source


def unread_report(source: Source) -> str:
    """What a source is that no reader takes, as the end of an error line; empty where unknown."""
    return next((words for matches, words in _UNREAD if matches(source)), "")


def is_lighteval(value: Any) -> bool:
    """Whether a parsed object is a results file of lighteval, whose layout is like that of
    lm-evaluation-harness."""
    if not isinstance(value, dict) or not isinstance(value.get("results"), dict):
        return False
    general = value.get("config_general")
    own = isinstance(general, dict) and ("lighteval_sha" in general or "model_name" in general)
    names = [name for name in value["results"] if isinstance(name, str)]
    return own or any(name.count("|") >= 2 for name in names)


def is_benchy_table(columns: tuple[str, ...]) -> bool:
    """Whether a table's columns are those of llama-benchy, which asks any server."""
    lowered = {column.lower() for column in columns}
    own = {"ttfr (ms)", "est_ppt (ms)", "e2e_ttft (ms)", "peak t/s", "t/s (total)", "t/s (req)"}
    return {"model", "test"} <= lowered and bool(own & lowered)


def _is_lighteval_source(source: Source) -> bool:
    return any(is_lighteval(part.value) for part in source.json_parts)


def _is_benchy_source(source: Source) -> bool:
    return any(is_benchy_table(table.columns) for table in source.tables)


_UNREAD: tuple[tuple[Callable[[Source], bool], str], ...] = (
    (
        _is_lighteval_source,
        "is a report of lighteval, whose prompts are not those of lm-evaluation-harness: "
        "it is not read",
    ),
    (
        _is_benchy_source,
        "is a table of llama-benchy, which asks a server and does not say the engine: "
        "it is not read",
    ),
)

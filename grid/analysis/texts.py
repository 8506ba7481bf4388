"""Of several texts that quality was measured on, the one by which a model's variants compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from grid.analysis.tables import Attempt

Text = tuple[str, int, int]
"""sha256 of the text, chunk length in tokens, chunks."""


def on_main_text(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts less the quality runs on another text than their model's main one.

    The main text of a model on a device kind is the one that most of its artifacts were scored on,
    then the one that most of all artifacts were, then the newest: perplexities of different texts
    never share an axis.
    """
    quality = [attempt for attempt in attempts if attempt.measure == "quality"]
    overall: defaultdict[Text, set[str]] = defaultdict(set)
    groups: defaultdict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in quality:
        overall[_text(attempt)].add(attempt.row["artifact_id"])
        groups[_group(attempt)].append(attempt)
    main = {
        group: max(mine, key=lambda a: (_artifacts(mine, a), len(overall[_text(a)]), a.newness))
        for group, mine in groups.items()
    }
    return [
        attempt
        for attempt in attempts
        if attempt.measure != "quality" or _text(attempt) == _text(main[_group(attempt)])
    ]


def _text(attempt: Attempt) -> Text:
    asked = attempt.workload
    return str(asked.get("text_sha256", "")), asked.get("context", 0), asked.get("chunks", 0)


def _group(attempt: Attempt) -> tuple[str, str]:
    return attempt.row["model"], attempt.row["device_kind"]


def _artifacts(attempts: Sequence[Attempt], like: Attempt) -> int:
    """How many artifacts among the attempts were scored on the same text."""
    return len({a.row["artifact_id"] for a in attempts if _text(a) == _text(like)})

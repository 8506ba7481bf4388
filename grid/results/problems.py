"""Messages about files that could not be read."""

from __future__ import annotations

from collections.abc import Sequence

from grid.results.files import UnreadableFile


def explain_no_results(store: str, problems: Sequence[UnreadableFile]) -> str:
    """Why a store has no rows, and what to do about it, in one line. `store` is its name."""
    if not problems:
        return f"no results in {store}; `grid sweep` fills it"
    count = len(problems)
    none = f"none of the {count} files" if count > 1 else "the one file"
    verb = "can" if count > 1 else "cannot"
    return f"{none} of {store} {verb} be read, {_example(problems)}"


def missing_rows_note(problems: Sequence[UnreadableFile]) -> str:
    """A note that rows of unreadable files are missing; empty where there are none."""
    if not problems:
        return ""
    count = len(problems)
    files = f"{count} files" if count > 1 else "a file"
    return f"{files} of the store could not be read, {_example(problems)}; their rows are missing"


def _example(problems: Sequence[UnreadableFile]) -> str:
    return f"such as {problems[0].file}: {problems[0].reason}"

"""Messages about files that could not be read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from grid.results.files import UnreadableFile


def explain_no_results(store: str, problems: Sequence[UnreadableFile]) -> str:
    """Why a store has no rows, and what to do about it, in one line. `store` is its name."""
    if not problems:
        return f"no results in {store}; `grid sweep` fills it{near_store(store)}"
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


def near_store(store: str) -> str:
    """A hint at a folder beside one that does not exist, with a like name and rows in it."""
    path = Path(store).expanduser()
    if "://" in store or path.exists():
        return ""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, cutoff=0.6)
    stores = [name for name in near if any(path.with_name(name).glob("attempts-*.arrow"))]
    return f". Did you mean {str(path.with_name(stores[0]))!r}?" if stores else ""


def _example(problems: Sequence[UnreadableFile]) -> str:
    return f"such as {problems[0].file}: {problems[0].reason}"

"""What came of merging stores, for people."""

from __future__ import annotations

from collections.abc import Sequence

from grid.cli.views.console import console


def merge_stores(sources: Sequence[str], store: str) -> None:
    """Merge, and say how many attempts came from where and which files were left alone."""
    from grid.results.merge import merge

    out = console()
    for one in merge(sources, store):
        before = f", {one.known} were there already" if one.known else ""
        attempts = "attempt" if one.added == 1 else "attempts"
        out.print(f"{one.added} {attempts} from {one.source}{before}", markup=False, soft_wrap=True)
        for problem in one.problems:
            text = f"left alone: {one.source}/{problem.file}: {problem.reason}"
            out.print(text, markup=False, soft_wrap=True)

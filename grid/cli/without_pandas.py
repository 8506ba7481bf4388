"""Keeps pandas, which nothing of a short command needs, from being imported."""

from __future__ import annotations

import sys
from typing import Any


class _Absent:
    """A finder of modules that says that pandas is not installed."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas", name=name)


def leave_pandas_out() -> None:
    """pyarrow looks for pandas when it makes its first array, which takes as long as most commands;
    let it look now, and find none. `Table.to_pandas` looks again, so it works as ever."""
    if "pandas" in sys.modules:
        return
    finder: Any = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([""])
    finally:
        sys.meta_path.remove(finder)

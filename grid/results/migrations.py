"""Steps from each older schema version to the next, so that old files stay readable for ever.

A new version of the schema adds: its line in `schema.py`'s history, its step here, and a frozen
folder of files of the version before under `tests/data/`.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

Migration = Callable[[str, pa.Table], pa.Table]
"""(table name, rows of version n) -> rows of version n + 1."""

MIGRATIONS: dict[int, Migration] = {}
"""By the version n that a step starts from. Version 1 is the first, so there is none yet."""

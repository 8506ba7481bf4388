"""Short commands do not wait for pandas, and what needs it still has it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from grid.cli.without_pandas import leave_pandas_out
leave_pandas_out()
import pyarrow as pa
table = pa.table({"x": pa.array([1.0, None]), "y": ["a", "b"]})
assert "pandas" not in sys.modules
assert table.to_pandas()["y"].tolist() == ["a", "b"]
import pandas as pd
assert pa.array(pd.Series([1.0, float("nan")])).null_count == 1
"""


def test_arrays_are_made_without_pandas_and_tables_become_frames() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)

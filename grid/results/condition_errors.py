"""What is wrong with a condition on rows, in one line; DuckDB's own words speak of its insides."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grid.errors import did_you_mean

EXAMPLE = "quant = 'Q4_K_M' AND decode_tps > 20"

USUAL_COLUMNS = (
    "model", "quant", "backend", "hardware_class", "measure", "label", "status", "artifact_bytes",
    "decode_tps", "prefill_tps", "ttft_s", "peak_rss_bytes", "kld_mean", "perplexity", "accuracy",
    "capability",
)  # fmt: skip
"""Named where no column is near to what was written; there are a hundred more."""

_REASONS = (
    (r'syntax error at or near "(.+?)"', "it cannot be read near {0!r}"),
    (r"syntax error at end of input", "something is missing at its end"),
    (r"unterminated", "a quote is not closed"),
    (r"Could not convert string '(.*?)'", "{0!r} is no number"),
    (r"Function with name (\S+) does not exist", "there is no function {0!r}"),
    (r"cannot contain aggregates", "sums and means over rows are no condition on one row"),
    (r"Table with name (\S+) does not exist", "it is about these rows alone, not of a table {0!r}"),
    (r"No function matches|Cannot (compare|mix)", "a text, a number and a map do not go together"),
)
_COLUMN = re.compile(r'Referenced column "([^"]+)" not found')


def explain_condition(error: Exception, columns: Sequence[str]) -> str:
    """Why an SQL expression is no condition on a table with these columns, and what to write."""
    message = str(error)
    if column := _COLUMN.search(message):
        return explain_column(column[1], columns)
    for pattern, text in _REASONS:
        if match := re.search(pattern, message):
            return f"{text.format(*match.groups())}; write for example {EXAMPLE}"
    return f"it is no condition that can be checked; write for example {EXAMPLE}"


def explain_column(name: str, columns: Sequence[str]) -> str:
    """`no column 'quantt'. Did you mean 'quant'?`; the usual columns where none is near."""
    if hint := did_you_mean(name, columns):
        return f"no column {name!r}. {hint}"
    usual = ", ".join(column for column in USUAL_COLUMNS if column in columns)
    return (
        f"no column {name!r}; a text needs quotes, as in quant = 'Q4_K_M'. Columns are {usual} and "
        "more: docs/results.md"
    )

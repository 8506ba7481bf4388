"""SQL over a store, by DuckDB in memory: it sees these tables and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from grid.errors import InputError, did_you_mean
from grid.results.condition_errors import explain_column, explain_condition
from grid.results.schema import TABLES

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "1GB"

VIEWS = (*TABLES, "final", "wide", "results")

_RESULTS = """
    CREATE VIEW results AS
    SELECT final.*, m.name, m.value, m.unit, m.low, m.high, m.sd, m.n, m.method
    FROM final JOIN metrics AS m USING (attempt_id)
"""
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_UNKNOWN_TABLE = re.compile(r"Table with name (\S+) does not exist")


def run_sql(view: Callable[[str], pa.Table], sql: str) -> pa.Table:
    """The answer to one statement; `view` gives a table of `VIEWS` by name, and is called for those
    that the statement mentions. Raises InputError with what DuckDB says is wrong."""
    import duckdb

    connection = _connect({name: view(name) for name in _mentioned_views(sql)})
    if "results" in sql.lower():
        connection.execute(_RESULTS)
    try:
        answer = connection.sql(sql)
        if answer is None:
            raise InputError(f"this SQL gives no rows to show: {sql}")
        rows: pa.Table = answer.to_arrow_table()
        return rows
    except duckdb.Error as error:
        raise InputError(f"SQL: {_reason(error)}") from error
    finally:
        connection.close()


def select_rows(
    table: pa.Table,
    where: str | None = None,
    sort: Sequence[str] = (),
    limit: int | None = None,
) -> pa.Table:
    """The rows of a table for which an SQL expression holds; `sort` names columns, `-column` for
    descending, nulls last.

    Raises InputError naming the expression, with the nearest column if it is that.
    """
    import duckdb

    order = ", ".join(_order(name, table.column_names) for name in sort)
    connection = _connect({})
    try:
        relation = connection.from_arrow(table)
        relation = relation.filter(where) if where and where.strip() else relation
        relation = relation.order(order) if order else relation
        relation = relation.limit(limit) if limit is not None else relation
        selected: pa.Table = relation.to_arrow_table()
        return selected
    except duckdb.Error as error:
        reason = explain_condition(error, table.column_names)
        raise InputError(f"the condition {where!r}: {reason}") from error
    finally:
        connection.close()


def _connect(tables: Mapping[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    import duckdb

    # a store may be a stranger's: no files, no network, no extensions, no spilling to disk
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    for setting in _SETTINGS:
        connection.execute(setting)
    for name, table in tables.items():
        connection.register(name, table)
    return connection


def _mentioned_views(sql: str) -> list[str]:
    """Tables to load: raw samples are large, so only those that the text mentions."""
    text = sql.lower()
    needed = {name for name in VIEWS if name in text}
    if "results" in needed:
        needed |= {"final", "metrics"}
    return sorted(needed - {"results"})


def _order(sort: str, columns: Sequence[str]) -> str:
    name = sort.removeprefix("-")
    require_column(name, columns)
    quoted = name.replace('"', '""')
    return f'"{quoted}" {"DESC" if sort.startswith("-") else "ASC"} NULLS LAST'


def require_column(name: str, columns: Sequence[str]) -> None:
    """Raises InputError with the nearest name where there is no such column."""
    if name not in columns:
        raise InputError(explain_column(name, columns))


def _reason(error: Exception) -> str:
    """DuckDB's words on a statement of SQL, or the nearest table."""
    message = str(error)
    if match := _UNKNOWN_TABLE.search(message):
        return f"no table {match[1]!r}. {did_you_mean(match[1], VIEWS)}"
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("LINE", "^")))

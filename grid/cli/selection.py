"""Which rows of a store a command is about: `--model`, `--quant` and `--hardware`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from grid.cli.options import split_names
from grid.errors import InputError, choose_name, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from grid.analysis.dataset import Dataset


class RowSelection(NamedTuple):
    """Columns of attempts, and the values that are wanted of each; all of those that are absent."""

    values: dict[str, list[str]]

    @property
    def sql(self) -> str | None:
        """The condition in SQL; None where all rows are wanted."""
        parts = [
            f"{column} IN ({', '.join(map(_quoted, names))})"
            for column, names in self.values.items()
        ]
        return " AND ".join(parts) or None


def select(
    attempts: pa.Table,
    model: Sequence[str] | None,
    quant: Sequence[str] | None,
    hardware: str | None,
) -> RowSelection:
    """What options mean among the attempts of a store.

    Raises InputError with the nearest name where one is of nothing there.
    """
    import pyarrow.compute as pc

    def names(column: str) -> list[str]:
        return [name for name in pc.unique(attempts[column]).to_pylist() if name]

    values: dict[str, list[str]] = {}
    for column, what, written in (("model", "model", model), ("quant", "quant", quant)):
        if wanted := split_names(written):
            choices = names(column)
            values[column] = [choose_name(name, choices, what) for name in wanted]
    if hardware is not None:
        values["hardware_class"] = matching_classes(hardware, names("hardware_class"))
    return RowSelection(values)


def select_dataset(
    dataset: Dataset,
    model: Sequence[str] | None,
    quant: Sequence[str] | None,
    hardware: str | None,
) -> Dataset:
    """The part of a store that options choose. Raises InputError as `select` does."""
    import pyarrow.compute as pc

    for column, names in select(dataset.overview.attempts, model, quant, hardware).values.items():
        dataset = dataset.filter(pc.field(column).isin(names))
    return dataset


def filter_of(
    model: Sequence[str] | None, quant: Sequence[str] | None, hardware: str | None
) -> Callable[[pa.Table], pa.Table]:
    """What options leave of the attempts of a store. It raises InputError as `select` does."""
    import pyarrow.compute as pc

    def choose(attempts: pa.Table) -> pa.Table:
        for column, names in select(attempts, model, quant, hardware).values.items():
            attempts = attempts.filter(pc.field(column).isin(names))
        return attempts

    return choose


def matching_classes(hardware: str, names: Iterable[str]) -> list[str]:
    """The hardware class of that name, else all that have it as a part of theirs.

    Raises InputError with the nearest name where there is none.
    """
    classes = list(names)
    wanted = hardware.casefold()
    exact = [name for name in classes if name.casefold() == wanted]
    matches = exact or [name for name in classes if wanted in name.casefold()]
    if not matches:
        raise InputError(
            f"no hardware class {hardware!r}. {did_you_mean(hardware, classes)}".rstrip()
        )
    return matches


def join_conditions(first: str | None, second: str | None) -> str | None:
    """Two conditions of SQL as one."""
    return f"({first}) AND ({second})" if first and second else first or second


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

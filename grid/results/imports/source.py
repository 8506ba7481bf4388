"""Source: a file that may hold reports, as readers look at it: text, lines, tables, JSON values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from grid.errors import InputError
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.json_text import JsonPart, broken_lines, json_between, load_json
from grid.results.imports.record import unnamed_hardware
from grid.results.imports.supplied_names import same_hardware, same_model
from grid.results.imports.tables import ReportTable, markdown_tables


@dataclass
class Source:
    """A file's text, and the names of hardware and model that the user gives, which fill what the
    file lacks; `override` lets them count before what it says.

    Readers note in `skipped` what is left out on purpose, and in `refused` what could not be read
    or cannot be true, a line each.
    """

    path: Path
    text: str
    hardware: str | None = None
    model: str | None = None
    override: bool = False
    skipped: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name, as a terminal shows it."""
        return clean(self.path.name)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text; line `n` of messages is `lines[n - 1]`."""
        return self.text.splitlines()

    @cached_property
    def is_json(self) -> bool:
        """Whether the text begins as JSON does."""
        return self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def json(self) -> Any:
        """The whole text as one JSON value; None where it is none."""
        if not self.is_json:
            return None
        try:
            return load_json(self.text)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def json_parts(self) -> tuple[JsonPart, ...]:
        """Objects and lists that begin and end with a line: the whole file, the lines of JSONL, or
        those between lines of a log. A value that breaks off is none."""
        if self.json is not None:
            first = next(at for at, line in enumerate(self.lines, 1) if line.strip())
            return (JsonPart(first, self.json, len(self.lines)),)
        return tuple(json_between(self.lines))

    def refuse_broken_json(self) -> None:
        """Note the lines of JSONL that are no whole JSON, beside others that are."""
        if self.json is None and self.json_parts:
            for line, why in broken_lines(self.lines, self.json_parts):
                self.refuse(f"line {line}: not whole JSON ({why}); was it cut short?")

    @cached_property
    def tables(self) -> tuple[ReportTable, ...]:
        """Tables in markdown, whatever prefixes a logger put before their lines."""
        return tuple(markdown_tables(self.lines))

    def model_named(self, stated: str | None) -> str:
        """The model's name: what the file states, else what the user gives; empty for neither.
        Raises InputError where they are of two models."""
        return self._named("model", stated or "", self.model, same_model)

    def hardware_named(self, stated: str, device: str = "") -> str:
        """The same of the machine, which is called unnamed where nobody names it."""
        name = self._named("hardware", stated, self.hardware, same_hardware)
        return name or unnamed_hardware(device)

    def _named(
        self, what: str, stated: str, supplied: str | None, same: Callable[[str, str], bool]
    ) -> str:
        if not supplied or (stated and not self.override and same(stated, supplied)):
            return stated
        if stated and not self.override:
            raise self.error(
                f"the file says {what} {quote(stated)}, --{what} says {quote(supplied)}; "
                "--override lets the option count"
            )
        return supplied

    def skip(self, what: str) -> None:
        """Note what is left out on purpose."""
        line = f"{self.name}: {what}"
        if line not in self.skipped[-1:]:
            self.skipped.append(line)

    def refuse(self, what: str) -> None:
        """Note what could not be read or cannot be true."""
        self.refused.append(f"{self.path}: {what}")

    def error(self, what: str) -> InputError:
        """The error that ends the reading of the file, or of the record inside `refusing()`."""
        return InputError(f"{self.path}: {what}")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Inside, an error of one record is noted as refused, and the others are read on."""
        try:
            yield
        except InputError as error:
            self.refused.append(str(error))

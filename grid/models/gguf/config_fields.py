"""Typed access to the fields of a config.json; each fault is one clear line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grid.errors import InputError, did_you_mean
from grid.models.gguf.families import FAMILIES, Family, Flag

_MAX_NUMBER = 2**31
_MAX_FACTOR = 1000


class ConfigFields(NamedTuple):
    """A config.json, the text model's part over the whole's, and what its family assumes.

    A field that is missing, or null, is as if it were not there.
    """

    values: Mapping[str, Any]
    defaults: Mapping[str, int]

    def get(self, *names: str) -> Any:
        """The first of the fields that is present and not null, else the family's default."""
        values = (self.values[name] for name in names if self.values.get(name) is not None)
        return next(values, next((self.defaults[n] for n in names if n in self.defaults), None))

    def integer(self, *names: str, default: int | None = None, least: int = 0) -> int:
        """The first of the fields, as a whole number from `least` to 2^31."""
        value = self.get(*names)
        value = default if value is None else value
        if value is None:
            raise InputError(
                f"config.json lacks {names[0]}; predict from the GGUF's header instead"
            )
        if type(value) is not int or not least <= value < _MAX_NUMBER:
            raise InputError(
                f"config.json: {names[0]} is {value!r}, no whole number within reason; "
                "check the file"
            )
        return value

    def length(self, *names: str, default: int | None = None) -> int:
        """The same, at least 1."""
        return self.integer(*names, default=default, least=1)

    def factor(self, name: str) -> float:
        """A number that multiplies; 1 where there is none."""
        value = self.get(name)
        if value is None:
            return 1.0
        if type(value) not in (int, float) or not 0 < value < _MAX_FACTOR:
            raise InputError(f"config.json: {name} is {value!r}, no factor; check the file")
        return float(value)

    def flag(self, flag: Flag) -> bool:
        """Whether a flag holds: `name=text` compares the field, a bare name is true or false."""
        if isinstance(flag, bool):
            return flag
        name, _, text = flag.partition("=")
        value = self.get(name)
        return value == text if text else bool(value)

    def kind(self, kind: str) -> str:
        """The kind: `field:kind` stands for `kind` if the field is true, else for none."""
        name, colon, kind_if_true = kind.partition(":")
        return (kind_if_true if self.flag(name) else "") if colon else kind

    def sequence(self, *names: str) -> Sequence[Any]:
        value = self.get(*names)
        return value if isinstance(value, str | list | tuple) else ()


def family_of(values: Mapping[str, Any]) -> Family:
    """The family that `model_type` names. Raises InputError for one that is not known."""
    model_type = str(values.get("model_type") or "")
    for name in (model_type, model_type.removesuffix("_text")):
        if name in FAMILIES:
            return FAMILIES[name]
    raise InputError(
        f"config.json: model_type {model_type!r} is not known here. "
        f"{did_you_mean(model_type, FAMILIES)} Predict from the GGUF's header instead."
    )

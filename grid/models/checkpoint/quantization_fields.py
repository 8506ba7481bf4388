"""Typed access to the fields of a quantization_config; each fault is one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid.errors import InputError


class QuantizationFields:
    """Typed access to a quantization_config; a value of the wrong type is an InputError."""

    def __init__(self, where: Path, values: Mapping[str, Any]) -> None:
        self.where, self.values = where, values

    def error(self, what: str) -> InputError:
        return InputError(f"{self.where}: quantization_config: {what}")

    def integer(self, *keys: str, default: int | None = None) -> int | None:
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                if type(value) is not int or not -1 <= value < 2**20:
                    raise self.error(f"{key} is {str(value)[:60]!r}, not a whole number")
                return value
        return default

    def require(self, *keys: str) -> int:
        value = self.integer(*keys)
        if value is None:
            raise self.error(f"{keys[0]} is missing")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key)
        if value is None:
            return default
        if type(value) is not bool:
            raise self.error(f"{key} is {str(value)[:60]!r}, not true or false")
        return value

    def text(self, *keys: str) -> str:
        values = (self.values.get(key) for key in keys)
        return next((value for value in values if isinstance(value, str)), "")

    def section(self, key: str) -> QuantizationFields:
        value = self.values.get(key)
        return QuantizationFields(self.where, value if isinstance(value, dict) else {})

"""Variants as bytes and back, the same to the last digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from grid.analysis.variant import AnswerTokens, ClassItems, TaskResult, Variant
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats


class _Items(msgspec.Struct, array_like=True):
    """ClassItems, whose names are those at two places of the list of names."""

    ids: int
    groups: int
    gains: Floats
    answers: AnswerTokens | None


class _Task(msgspec.Struct, array_like=True):
    """A TaskResult, whose items are those at a place of the list of items."""

    capability: Interval
    items: int | None


class _Answers(msgspec.Struct, array_like=True):
    """`items` and `tasks` of a variant, by their places."""

    items: dict[str, int]
    tasks: dict[str, dict[str, _Task]]


class _Content(msgspec.Struct, array_like=True):
    """What hundreds of variants share stands in it once: lists of names, and items."""

    names: list[tuple[str, ...]]
    items: list[_Items]
    answers: list[_Answers]
    variants: list[Variant]


class _Shared:
    """A list of objects, each once, and their places in it."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self._places: dict[int, int] = {}

    def place(self, value: object) -> int:
        if id(value) not in self._places:
            self._places[id(value)] = len(self.objects)
            self.objects.append(value)
        return self._places[id(value)]


def encode_variants(variants: Sequence[Variant]) -> bytes:
    """Raises TypeError for a field that is not plain data."""
    items, names = _Shared(), _Shared()
    answers = [_answers(variant, items) for variant in variants]
    stored = [
        _Items(names.place(x.ids), names.place(x.groups), x.gains, x.answers) for x in items.objects
    ]
    plain = [replace(variant, items={}, tasks={}) for variant in variants]
    return _ENCODER.encode(_Content(names.objects, stored, answers, plain))


def decode_variants(content: bytes) -> list[Variant]:
    """Raises ValueError (msgspec.ValidationError) or LookupError for bytes that are none."""
    stored = _decoder().decode(content)
    items = [
        ClassItems(stored.names[x.ids], x.gains, stored.names[x.groups], x.answers)
        for x in stored.items
    ]
    return [
        replace(
            variant,
            items={name: items[place] for name, place in answers.items.items()},
            tasks={
                name: {task: _result(result, items) for task, result in of_class.items()}
                for name, of_class in answers.tasks.items()
            },
        )
        for variant, answers in zip(stored.variants, stored.answers, strict=True)
    ]


def _answers(variant: Variant, items: _Shared) -> _Answers:
    tasks = {name: _tasks(of_class, items) for name, of_class in variant.tasks.items()}
    return _Answers({name: items.place(x) for name, x in variant.items.items()}, tasks)


def _tasks(of_class: Mapping[str, TaskResult], items: _Shared) -> dict[str, _Task]:
    return {
        task: _Task(x.capability, None if x.items is None else items.place(x.items))
        for task, x in of_class.items()
    }


def _result(task: _Task, items: Sequence[ClassItems]) -> TaskResult:
    return TaskResult(task.capability, None if task.items is None else items[task.items])


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        return value.tobytes()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} is not plain data")


def _array(_: type, value: object) -> Floats:
    if not isinstance(value, bytes):
        raise ValueError("not the bytes of an array")
    return np.frombuffer(value)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)


def _decoder() -> msgspec.msgpack.Decoder[_Content]:
    return msgspec.msgpack.Decoder(_Content, dec_hook=_array)

"""Errors that a user may see, each with the exit code it leads to.

A message is one line: what is wrong, where, and what to try. The command line prints it without a
traceback; anything that is not a `GridError` is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class GridError(Exception):
    """Base of every error with a message meant for the user."""

    exit_code: ClassVar[int] = 1


class InputError(GridError):
    """The input was wrong and nothing ran."""

    exit_code = 2


class NotAModel(InputError):
    """A weight file that is sound, and no model that can be measured here; a pattern that matches
    it leaves it out."""


class StoreError(InputError):
    """The store cannot be used as it is: read-only, of a newer schema, or in use."""


class StoreLost(GridError):
    """The store stopped taking rows while a sweep ran (a full disk, a lost mount)."""

    exit_code = 3


class ClusterLost(GridError):
    """The cluster, or its head, stopped answering while a sweep ran."""

    exit_code = 3


class EngineError(GridError):
    """An engine call failed; becomes a row with status `error`.

    `engine_s` is the time that was spent inside engine calls until then.
    """

    status: ClassVar[str] = "error"
    engine_s: float = 0.0


class OutOfMemory(EngineError):
    """The engine could not get the memory it asked for; becomes status `oom`."""

    status = "oom"


class Unsupported(EngineError):
    """The engine cannot do what the cell asks; becomes status `unsupported`."""

    status = "unsupported"


class EngineTimeout(EngineError):
    """The engine did not answer in time and was killed; becomes status `timeout`."""

    status = "timeout"


class EngineDied(EngineError):
    """The engine's process ended without an answer (a crash in native code)."""


def name_some(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """`a, b and 3 more`: the first `most` names, and how many there are beyond them."""
    beyond = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + beyond


MOST_LISTED = 40
"""Names that an error line may list; every quant of a backend, but not a hundred columns."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint that ends an error line: the nearest of the names, whatever its case, or all of them
    if none is near and they are few."""
    choices = sorted(set(names))
    if near := _nearest(name, choices):
        return f"Did you mean {near!r}?"
    return "Known: " + ", ".join(choices) + "." if 0 < len(choices) <= MOST_LISTED else ""


def _nearest(name: str, choices: Sequence[str]) -> str:
    """The most alike name, else the shortest that holds the text; empty where there is none."""
    by_fold = {choice.casefold(): choice for choice in choices}
    alike = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    holding = [choice for fold, choice in by_fold.items() if name and name.casefold() in fold]
    return by_fold[alike[0]] if alike else min(holding, key=len, default="")


def choose_name(name: str, names: Iterable[str], what: str) -> str:
    """The one of the names that is meant, whatever its case.

    Raises InputError, `no WHAT 'NAME'` and the nearest one, where there is none.
    """
    choices = list(names)
    folded = {choice.casefold(): choice for choice in choices}
    choice = name if name in choices else folded.get(name.casefold())
    if choice is None:
        raise InputError(f"no {what} {name!r}. {did_you_mean(name, choices)}".rstrip())
    return choice

"""Speculative decoding in the contract: what an engine counts, which options ask for it."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable


class SpeculationCounts(NamedTuple):
    """Of speculative decoding: tokens that were guessed, those of them that the model accepted, and
    evaluations of the model that checked them."""

    drafted: int
    accepted: int
    steps: int


@runtime_checkable
class Speculates(Protocol):
    """Beside `Generates`, where the engine can guess tokens and check several at once.

    `speculation` counts since the engine was loaded; None where it was loaded without. A
    measurement takes the difference.
    """

    @property
    def speculation(self) -> SpeculationCounts | None: ...


@runtime_checkable
class PlansSpeculation(Protocol):
    """Implemented by the backend itself, where its options can ask for speculative decoding."""

    speculative_options: frozenset[str]
    """Options that are there only where a user wrote them: with any, the engine guesses tokens. It
    is then as fast as the text lets it be, and no rate on random tokens is measured."""

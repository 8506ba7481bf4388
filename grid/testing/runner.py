"""All rules on one case, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from grid.backend import Capability
from grid.testing.case import Case
from grid.testing.rules import CHECKS, RAN, SKIPPED, NonConforming, check

BROKEN = "broken: "


@dataclass(frozen=True)
class _Held(Case):
    """A case whose rules share one loaded engine: large ones take a minute to load."""

    stack: ExitStack = field(default_factory=ExitStack)
    loaded: list[Any] = field(default_factory=list)

    @contextmanager
    def fresh(self) -> Iterator[Any]:
        self.close()
        with super().fresh() as engine:
            yield engine

    @contextmanager
    def engine(self) -> Iterator[Any]:
        if not self.loaded:
            self.loaded.append(self.stack.enter_context(super().fresh()))
        self.loaded[0].resize(self.context)
        yield self.loaded[0]

    def of(self, path: Path) -> Case:
        self.close()
        return super().of(path)

    def close(self) -> None:
        self.loaded.clear()
        self.stack.close()


Say = Callable[[str, str], None]


def report(case: Case, say: Say = lambda name, said: None) -> dict[str, str]:
    """Every check by name: `ran`, `skipped: why` or `broken: how`. `say` hears each as it comes."""
    held = _Held(**{part.name: getattr(case, part.name) for part in fields(Case)})
    found: dict[str, str] = {}
    for name in CHECKS:
        found[name] = _tried(name, held)
        say(name, found[name])
    held.close()
    return found


def _tried(name: str, held: _Held) -> str:
    try:
        return check(name, held)
    except NonConforming as error:
        told = str(error)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
    held.close()  # what an engine says after an error is no evidence
    return BROKEN + " ".join(told.split())


def capabilities(case: Case, found: Mapping[str, str]) -> dict[str, str]:
    """Every capability by name, from a report: broken where one of its rules is, ran where one ran
    that shows it to work, else skipped with the reason."""
    return {name: _summed(name, case, found) for name in get_args(Capability)}


def _summed(name: Capability, case: Case, found: Mapping[str, str]) -> str:
    if name not in case.backend.capabilities:
        return f"{SKIPPED}{case.backend.name} does not declare {name}"
    rules = {rule: one for rule, one in CHECKS.items() if name in one.needs}
    broken = [found[rule] for rule in rules if found[rule].startswith(BROKEN)]
    if broken:
        return broken[0]
    said = [found[rule] for rule, one in rules.items() if one.shows]
    return RAN if RAN in said else said[0]

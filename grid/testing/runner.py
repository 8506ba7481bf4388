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
class _SharedEngineCase(Case):
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


def report(case: Case, say: Say = lambda name, outcome: None) -> dict[str, str]:
    """Every check by name: `ran`, `skipped: why` or `broken: how`. `say` hears each as it comes."""
    shared = _SharedEngineCase(**{part.name: getattr(case, part.name) for part in fields(Case)})
    outcomes: dict[str, str] = {}
    for name in CHECKS:
        outcomes[name] = _run_check(name, shared)
        say(name, outcomes[name])
    shared.close()
    return outcomes


def _run_check(name: str, shared: _SharedEngineCase) -> str:
    try:
        return check(name, shared)
    except NonConforming as error:
        complaint = str(error)
    except Exception as error:
        complaint = f"{type(error).__name__}: {error}"
    shared.close()  # what an engine says after an error is no evidence
    return BROKEN + " ".join(complaint.split())


def capabilities(case: Case, outcomes: Mapping[str, str]) -> dict[str, str]:
    """Every capability by name, from a report: broken where one of its rules is, ran where one ran
    that shows it to work, else skipped with the reason."""
    return {name: _capability_outcome(name, case, outcomes) for name in get_args(Capability)}


def _capability_outcome(name: Capability, case: Case, outcomes: Mapping[str, str]) -> str:
    if name not in case.backend.capabilities:
        return f"{SKIPPED}{case.backend.name} does not declare {name}"
    rules = {rule: rule_check for rule, rule_check in CHECKS.items() if name in rule_check.needs}
    broken = [outcomes[rule] for rule in rules if outcomes[rule].startswith(BROKEN)]
    if broken:
        return broken[0]
    telling = [outcomes[rule] for rule, rule_check in rules.items() if rule_check.shows]
    return RAN if RAN in telling else telling[0]

"""Conformance: checks that a real backend keeps every rule of the contract.

    from grid.testing import CHECKS, Case, check, local_node
    case = Case(backend, path, local_node())
    for name in CHECKS:
        check(name, case)            # "ran", or "skipped: ..." and why

`path` is a weight file, or a folder in Hugging Face's layout, that the backend can load; any small
model does. A broken rule raises `NonConforming` with one line. `report(case)` runs all of them on
one loaded engine; so does the command, in the interpreter that has the engine:

    python -m grid.testing BACKEND PATH --recipe Q8_0

Rules use up to `Case.tokens` tokens, so that slow engines can be tested too. Rules that need more
than a weight file (another engine's figures, a recipe to make) are skipped with that reason.

`grid.testing.fixtures` is a pytest plugin for the rest of a backend's tests.
"""

from typing import Any

from grid.testing import (  # noqa: F401  (each adds its rules)
    computing_rules,
    computing_token_rules,
    declaration_rules,
    loading_rules,
    quantizing_rules,
    serving_rules,
)
from grid.testing.case import NEAR, TEXT, Case, Expected, local_node
from grid.testing.computing_rules import expectation
from grid.testing.rules import CHECKS, Check, NonConforming, check, declared_rules
from grid.testing.runner import capabilities, report

_FORMER_NAMES = {"here": local_node}
"""Names that the tests of plugins made before still import."""


def __getattr__(name: str) -> Any:
    if name in _FORMER_NAMES:
        return _FORMER_NAMES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CHECKS",
    "NEAR",
    "TEXT",
    "Case",
    "Check",
    "Expected",
    "NonConforming",
    "capabilities",
    "check",
    "declared_rules",
    "expectation",
    "local_node",
    "report",
]

"""The explorer's pages, one module each: `PAGE` places it in the navigation, `draw()` draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title, its path in the address (`/frontier`), and its rank in the navigation."""

    title: str
    path: str
    rank: int


def find_pages() -> dict[Page, Callable[[], None]]:
    """Every page of this folder with what draws it, in the navigation's order."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {module.PAGE: module.draw for module in sorted(modules, key=lambda m: m.PAGE.rank)}

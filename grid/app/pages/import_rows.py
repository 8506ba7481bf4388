"""Import: figures that other tools measured."""

from __future__ import annotations

from grid.app.import_export import import_form
from grid.app.page_parts import heading
from grid.app.store import open_dataset, store_address


def draw() -> None:
    heading("Import")
    import_form(store_address(), open_dataset())

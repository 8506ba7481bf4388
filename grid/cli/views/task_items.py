"""`grid tasks show`: items as a model sees them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grid.cells.items import Item
from grid.cli.views.console import console, print_json
from grid.models.chat import ChatTemplate


def show_items(items: Sequence[Item], template: ChatTemplate | None, as_json: bool = False) -> None:
    """The prompt (by the template, if there is one), then the choices or what is right."""
    if as_json:
        print_json([{**msgspec.to_builtins(i), "prompt": _prompt(i, template)} for i in items])
        return
    out = console()
    for number, item in enumerate(items):
        if number:
            out.print()
        group = f", group {item.group}" if item.group else ""
        out.print(f"item {item.id}: {item.kind}{group}", style="bold")
        out.print(_prompt(item, template))
        for index, choice in enumerate(item.choices):
            mark = "*" if index == item.answer else " "
            out.print(f"{mark} {index}:{_visible(choice)}")
        for line in _written(item):
            out.print(line)


def _prompt(item: Item, template: ChatTemplate | None) -> str:
    if template is None:
        return item.context or "\n".join(item.contexts)
    turns = [{"role": turn.role, "content": turn.content} for turn in item.messages]
    return template.render(turns or [{"role": "user", "content": item.context}], item.reply)


def _visible(choice: str) -> str:
    return choice if choice[0].isspace() else f" {choice}"


def _written(item: Item) -> list[str]:
    if item.kind != "generate":
        return []
    right = item.pattern or " | ".join(item.answers)
    until = ", ".join(map(repr, item.until)) or "its own end"
    scored = f"{item.scoring}: {right}" if right else item.scoring
    return [f"* {scored}", f"  at most {item.max_tokens} tokens, until {until}"]

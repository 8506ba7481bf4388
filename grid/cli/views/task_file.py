"""`grid tasks check`: what is wrong with a task file, or what it is."""

from __future__ import annotations

from collections import Counter

import numpy as np

from grid.cells.task_files import TaskFile
from grid.cli.views.console import console, print_json
from grid.cli.views.resolution import METHOD, points
from grid.plan.item_facts import item_facts
from grid.results.statistics import group_codes, resolvable_difference
from grid.results.statistics.groups import Codes, effective_groups, group_totals
from grid.units import count_of

FAULTS_SHOWN = 50

FEW_GROUPS = 8
"""With fewer groups than this an interval says little."""


def show_task_file(file: TaskFile, as_json: bool = False) -> None:
    """Every wrong line, up to `FAULTS_SHOWN`; of a right file its items and what they can tell."""
    if as_json:
        _print_json(file)
        return
    out = console()
    for line, text in file.faults[:FAULTS_SHOWN]:
        place = f"{file.path}, line {line}" if line else str(file.path)
        out.print(f"{place}: {text}")
    if file.faults:
        beyond = len(file.faults) - FAULTS_SHOWN
        hidden = f", {beyond} of them not shown" if beyond > 0 else ""
        right = count_of(len(file.items), "item")
        out.print(f"{count_of(len(file.faults), 'fault')}{hidden}; {right} right")
        return
    ways = {True: "by the chat template only", False: "without a chat template"}
    how = ways.get(bool(file.chat), "") if file.chat is not None else ""
    facts = item_facts(file.items)
    scorings = ", ".join(f"{name} {count}" for name, count in _scorings(file).items())
    out.print(f"{file.name}: {count_of(len(file.items), 'item')} of class {file.task_class}")
    out.print(f"scoring: {scorings}; chance {_chance(file):.2f}")
    if how:
        out.print(f"asked {how}")
    if groups := _groups(file):
        out.print(f"groups: {groups}")
    out.print(f"about {facts.read} tokens to read, {facts.written} to write, for each variant")
    units = _independent_units(file)
    of_groups = (
        f", of {units} groups, whose items may turn together" if _codes(file) is not None else ""
    )
    out.print(f"{METHOD}: {points(units)} points{of_groups}")


def _scorings(file: TaskFile) -> Counter[str]:
    written = {"choice": "written_choice"}
    return Counter(
        "choice" if item.kind == "choice" else written.get(item.scoring, item.scoring)
        for item in file.items
    )


def _chance(file: TaskFile) -> float:
    return sum(item.chance for item in file.items) / len(file.items)


def _codes(file: TaskFile) -> Codes | None:
    return group_codes([item.group for item in file.items])


def _independent_units(file: TaskFile) -> int:
    """Items; where they come in groups the number of equal groups that would tell as much, since
    items of a group may turn together."""
    codes = _codes(file)
    if codes is None:
        return len(file.items)
    return int(effective_groups(group_totals(np.ones(len(codes)), codes)))


def _groups(file: TaskFile) -> str:
    """How many groups there are and what that means; empty where no item names one."""
    counts = Counter(item.group for item in file.items if item.group)
    alone = sum(not item.group for item in file.items)
    if not counts:
        return ""
    if _codes(file) is None:
        return f"{len(counts)}, which tell nothing apart: intervals are over items"
    least, most = min(counts.values()), max(counts.values())
    sizes = f"{least}" if least == most else f"{least} to {most}"
    others = f" and {alone} without a group" if alone else ""
    few = ", and wide with so few" if len(counts) + alone < FEW_GROUPS else ""
    return f"{len(counts)} of {sizes} items{others}; intervals are over groups{few}"


def _print_json(file: TaskFile) -> None:
    right = bool(file.items) and not file.faults
    print_json(
        {
            "file": str(file.path),
            "task": file.name,
            "class": file.task_class,
            "chat": file.chat,
            "items": len(file.items),
            "groups": len({item.group for item in file.items if item.group}),
            "scoring": _scorings(file),
            "chance": _chance(file) if right else None,
            "resolves": resolvable_difference(_independent_units(file)) if right else None,
            "faults": [{"line": line, "text": text} for line, text in file.faults],
        }
    )

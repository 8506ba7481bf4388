"""The answer to an ask on any store: from its rows, or where it has none from public figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from grid.advice.advice import Advice
from grid.advice.ask import Ask
from grid.advice.recommend import recommend
from grid.advice.this_machine import fields_of_node, named_machine
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.hardware.node import Node
from grid.results.problems import explain_no_results, near_store

if TYPE_CHECKING:
    from grid.advice.public_figures import PublicAnswer


def answer_ask(dataset: Dataset, ask: Ask, probe: Callable[[], Node]) -> Advice | PublicAnswer:
    """What to run: the advice of `recommend`; where the store has no rows what public figures say,
    of the machine that is probed unless the ask names another. Raises InputError where neither can
    answer."""
    if not dataset.is_empty or dataset.problems or ask.hardware is not None:
        return recommend(dataset, ask)
    if near_store(dataset.display_name):  # a name that was mistyped
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    from grid.advice.public_figures import public_answer

    if named_machine(ask) or ask.memory_bytes is not None:
        return public_answer(ask)
    node = probe()
    answer = public_answer(replace(ask, **fields_of_node(node)))
    if node.accelerators:
        return answer
    name = f"{node.chip}, {answer.machine.name}"
    return replace(answer, machine=replace(answer.machine, name=name))

"""The question for several machines at once: what each should run, and where one model should."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from grid.advice.advice import DECODE, MEMORY, Advice
from grid.advice.ask import Ask
from grid.advice.for_model import HardwareChoice, TargetModel, choose_hardware
from grid.advice.for_model.places import Place, machine_place
from grid.advice.hardware import machine_of
from grid.advice.recommend import recommend
from grid.advice.sentences import figure_text, headline
from grid.analysis.dataset import Dataset
from grid.analysis.figures import share
from grid.errors import InputError


@dataclass(frozen=True)
class RackNode:
    """Machines that are alike, by name, and the ask that is about one of them."""

    names: tuple[str, ...]
    ask: Ask


@dataclass(frozen=True)
class NodeAdvice:
    """What to run on a node: `advice`, or the `problem` that nothing can be said for."""

    node: RackNode
    advice: Advice | None
    problem: str = ""

    @property
    def text(self) -> str:
        """The answer with its rate, memory and how sure it is."""
        if self.advice is None:
            return self.problem
        pick = self.advice.pick
        if pick is None:
            return "; ".join([headline(self.advice), *(step.text for step in self.advice.relax)])
        parts = [headline(self.advice)]
        for quantity, unit in ((DECODE, " token/s"), (MEMORY, "")):
            if quantity in pick.figures:
                parts.append(f"{figure_text(quantity, pick.figures[quantity])}{unit}")
        if DECODE in pick.figures:
            parts.append(pick.figures[DECODE].evidence.kind)
        if self.advice.sure is not None:
            parts.append(f"{share(self.advice.sure)} sure")
        return ", ".join(parts)


def store_nodes(dataset: Dataset, ask: Ask) -> list[RackNode]:
    """The machines that the store measured itself, those of one hardware class together."""
    names = node_names(dataset)
    own = [c.name for c in dataset.classes if "" in c.origins]
    return class_nodes(ask, {name: names.get(name, ()) for name in own})


def class_nodes(ask: Ask, names: Mapping[str, Iterable[str]]) -> list[RackNode]:
    """Machines by hardware class, as they report them."""
    return [RackNode(tuple(sorted(names[name])), _on_class(ask, name)) for name in sorted(names)]


def node_names(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Names of the machines of each hardware class, as rows have them."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    rows = dataset.overview.attempts.select(["hardware_class", "node", "origin"])
    for row in rows.group_by(["hardware_class", "node", "origin"]).aggregate([]).to_pylist():
        if row["node"] and not row["origin"]:
            names[row["hardware_class"]].add(row["node"])
    return {name: tuple(sorted(nodes)) for name, nodes in names.items()}


def _on_class(ask: Ask, name: str) -> Ask:
    return replace(ask, hardware=name, chip=None, memory_bytes=None, bandwidth_bytes_s=None)


def advise_rack(dataset: Dataset, nodes: Sequence[RackNode]) -> list[NodeAdvice]:
    """What each node should run; a node that nothing can be said of does not stop the others."""
    answers = []
    for node in nodes:
        try:
            answers.append(NodeAdvice(node, recommend(dataset, node.ask)))
        except InputError as error:
            answers.append(NodeAdvice(node, None, str(error)))
    return answers


def place_on_rack(
    dataset: Dataset, target: TargetModel, ask: Ask, nodes: Sequence[RackNode]
) -> HardwareChoice:
    """On which of the nodes a model runs at the ask's rate."""
    return choose_hardware(dataset, target, ask, [_place(dataset, node) for node in nodes])


def _place(dataset: Dataset, node: RackNode) -> Place:
    return machine_place(dataset, machine_of(dataset.classes, node.ask), node.names)

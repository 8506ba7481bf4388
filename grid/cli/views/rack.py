"""`grid recommend --rack` in a terminal: what each of several machines should run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from grid.advice import Ask
from grid.advice.for_model import find_target
from grid.advice.for_model.to_json import choice_data
from grid.advice.offered_rows import offered_rows
from grid.advice.rack import (
    NodeAdvice,
    RackNode,
    advise_rack,
    class_nodes,
    node_names,
    place_on_rack,
    store_nodes,
)
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.cli.views.console import console, print_json
from grid.cli.views.for_model import print_hardware
from grid.errors import InputError
from grid.hardware.chips import named_chip
from grid.hardware.node_file import read_node_file

STORE = "store"
"""Stands for all machines that the store has rows of."""


def show_rack(
    store: str, places: Sequence[str], model: str | None, ask: Ask, as_json: bool = False
) -> None:
    """Print what each machine should run, or where a model should. Raises InputError for a place
    that says no machine."""
    dataset = offered_rows(Dataset(store))
    nodes = [node for place in places for node in nodes_of(dataset, ask, place)]
    if model is not None:
        choice = place_on_rack(dataset, find_target(model, ask.quant, dataset), ask, nodes)
        print_json(choice_data(choice)) if as_json else print_hardware(choice)
        return
    answers = advise_rack(dataset, nodes)
    if as_json:
        print_json([_data(answer) for answer in answers])
    else:
        print_rack(answers)


def nodes_of(dataset: Dataset, ask: Ask, place: str) -> list[RackNode]:
    """The machines that a place names: `store`, a cluster's file, a node's, a chip or a measured
    class."""
    if place == STORE:
        return store_nodes(dataset, ask)
    path = Path(place).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        return class_nodes(ask, _hosts_by_class(dataset, path))
    if path.suffix == ".toml":
        return [_described_node(ask, path)]
    if any(place.casefold() in c.name.casefold() for c in dataset.classes):
        return [RackNode((), replace(ask, hardware=place, chip=None))]
    return [RackNode((), replace(ask, hardware=None, chip=named_chip(place).name))]


def _hosts_by_class(dataset: Dataset, path: Path) -> dict[str, set[str]]:
    """Names of a cluster's hosts by hardware class: as the store has them, where it has rows of
    nodes that are called so, else as they say over ssh. Raises InputError for those that do not."""
    from grid.cluster.commands import ask_facts, locate_head, require_filled_in
    from grid.cluster.config import load

    cluster = load(path)
    hosts = {host.address for host in cluster.hosts}
    by_class = {name: hosts & set(nodes) for name, nodes in node_names(dataset).items()}
    if hosts and hosts == set().union(*by_class.values()):
        return {name: nodes for name, nodes in by_class.items() if nodes}
    require_filled_in(cluster)
    facts, errors = ask_facts(locate_head(cluster).hosts)
    if errors:
        listed = "; ".join(f"{address}: {error}" for address, error in sorted(errors.items()))
        raise InputError(f"{listed}. `--rack {STORE}` asks about the machines that have rows")
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for host_facts in facts.values():
        classes[host_facts.hardware_class].add(host_facts.name)
    return classes


def _described_node(ask: Ask, path: Path) -> RackNode:
    """The machine that a node.toml describes: its memory with its bandwidth, or its chip."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; --rack takes `{STORE}`, a cluster.yaml, a node.toml"
        )
    file = read_node_file(path)
    fields = file.node_fields()
    memory, bandwidth = fields.get("memory_bytes"), fields.get("bandwidth_bytes_s")
    name = (file.name or path.stem,)
    plain = replace(ask, hardware=None, chip=None, memory_bytes=memory)
    if memory and bandwidth:
        return RackNode(name, replace(plain, bandwidth_bytes_s=bandwidth, platform="cpu"))
    if file.chip:
        return RackNode(name, replace(plain, chip=file.chip))
    raise InputError(f"{path}: says neither memory with bandwidth nor a chip; add them")


def print_rack(answers: Sequence[NodeAdvice]) -> None:
    """Print each machine with what it should run below it."""
    out = console()
    out.print(Text("what to run on each machine", style="bold"))
    for answer in answers:
        ask = answer.node.ask
        machine = answer.advice.hardware if answer.advice else (ask.hardware or ask.chip or "")
        names = f" ({', '.join(answer.node.names)})" if answer.node.names else ""
        out.print(Text(f"\n{machine}{names}"))
        out.print(Text(answer.text), style="" if answer.advice else "yellow")


def _data(answer: NodeAdvice) -> dict[str, object]:
    advice = None if answer.advice is None else to_data(answer.advice)
    return {"nodes": answer.node.names, "advice": advice, "problem": answer.problem or None}

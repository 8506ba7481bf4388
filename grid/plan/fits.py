"""Why a cell cannot run on a node, known before anything is started."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from grid.backend import ENDPOINT_FORMAT, Backend, Capability, Needs, PlansSpeculation
from grid.backend.endpoint import is_loopback
from grid.cells.cell import Cell
from grid.cells.workload import Decode, Memory, Quality, Tasks, Workload, kind
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.plan.item_facts import ItemFacts
from grid.units import format_bytes

_REQUIRED_CAPABILITIES: dict[str, tuple[tuple[Capability, ...], ...]] = {
    "memory": (("tokenizes",), ("steps", "generates")),
    "prefill": (("tokenizes",), ("steps", "endpoint")),
    "decode": (("tokenizes",), ("steps", "endpoint")),
    "latency": (("tokenizes",), ("generates",)),
    "load": (("endpoint",),),
    "quality": (("tokenizes",), ("logits",)),
    "tasks": (("tokenizes",),),
}
"""What measuring each kind of workload asks of an engine: one of each group."""


def capability_obstacle(
    backend: Backend, workload: Workload, facts: Mapping[str, ItemFacts] = MappingProxyType({})
) -> str:
    """Why a backend cannot be asked a workload; empty if it can. `facts` are those of item sets."""
    groups = _REQUIRED_CAPABILITIES[kind(workload)]
    if isinstance(workload, Tasks):
        groups += _answering(facts.get(workload.items_sha256))
    for group in groups:
        if not backend.capabilities.intersection(group):
            return f"{backend.name} does not declare {group[0]}, which {kind(workload)} takes"
    return ""


def speculation_obstacle(backend: Backend, cell: Cell) -> str:
    """Why a rate on random tokens says nothing where tokens are guessed; empty where it does."""
    if not isinstance(cell.workload, Decode) or not isinstance(backend, PlansSpeculation):
        return ""
    names = sorted(backend.speculative_options & cell.options.keys())
    if not names:
        return ""
    return f"{', '.join(names)}: the rate depends on the text, random tokens have none; see latency"


def _answering(facts: ItemFacts | None) -> tuple[tuple[Capability, ...], ...]:
    """What items take: scores of their choices, written answers, or both; or vectors."""
    if facts is not None and facts.ranks:
        return (("embeds",),)
    scores = facts is None or facts.scores
    writes = facts is not None and facts.writes
    return (*((("scores",),) if scores else ()), *((("generates",),) if writes else ()))


def encoder_obstacle(cell: Cell, facts: Mapping[str, ItemFacts]) -> str:
    """Why a model that only reads cannot do what a workload asks; empty if it can, or writes too.

    Encoders of BERT's kind have no next token: retrieval is what they are measured by.
    """
    if "bert" not in cell.artifact.model.architecture.lower():
        return ""
    workload = cell.workload
    read = facts.get(workload.items_sha256) if isinstance(workload, Tasks) else None
    if read is not None and read.ranks:
        return ""
    return f'{cell.artifact.model.architecture} writes no text; measure tasks = ["retrieval"]'


def template_obstacle(cell: Cell) -> str:
    """Why items or conversations cannot be put to the model by its chat template; empty if they
    can, or need not."""
    workload = cell.workload
    if cell.artifact.model.chat or not isinstance(workload, Tasks | Quality) or not workload.chat:
        return ""
    if isinstance(workload, Quality):
        return f"{Path(workload.text).name} is conversations, the model has no chat template"
    return "chat is wanted, the model has no chat template"


def writer_obstacle(cell: Cell) -> str:
    """Why nobody writes the cell's text; empty if it is there, or its 16 bits write it."""
    workload = cell.workload
    if not isinstance(workload, Quality) or not workload.prompts_sha256 or workload.reference:
        return ""
    return "its text is written by the model's 16 bits, and no such artifact can be run here"


def context_obstacle(cell: Cell) -> str:
    """Why the model's context cannot hold the workload; empty if it can or is not known."""
    limit = cell.artifact.model.context_length
    tokens = cell.workload.context if isinstance(cell.workload, Memory) else cell.workload.size
    if limit <= 0 or tokens <= limit:
        return ""
    return f"needs {tokens} tokens of context, the model has {limit}"


def memory_obstacle(needs: Needs, node: Node, host_limit: int) -> str:
    """Why the node has no room for a cell; empty if it has."""
    if needs.host_bytes > host_limit:
        return _shortage(needs.host_bytes, host_limit, "")
    kinds = [accelerator.kind for accelerator in node.accelerators]
    if needs.accelerator is not None and not _has_kind(kinds, needs.accelerator):
        return f"needs a {needs.accelerator} accelerator, the node has {', '.join(kinds) or 'none'}"
    device = sum(accelerator.memory_bytes for accelerator in node.accelerators)
    if needs.device_bytes > device:
        return _shortage(needs.device_bytes, device, " on the accelerator")
    return ""


def server_obstacle(cell: Cell) -> str:
    """Why a server's speed is none of this machine's hardware class; empty where it is."""
    artifact = cell.artifact
    if artifact.format != ENDPOINT_FORMAT or not cell.exclusive:
        return ""
    if is_loopback(artifact.model.source):
        return ""
    return "the server is another machine's, whose speed this is not; run the sweep there"


class DiskRoom(NamedTuple):
    """What a node's disk has for artifacts: bytes that they may take, None where nobody looked, and
    the ids of those that are there."""

    bytes: int | None = None
    artifacts: Collection[str] = ()


UNKNOWN_DISK = DiskRoom()
"""Nobody looked."""


def disk_obstacle(artifact: Artifact, weight_bytes: Mapping[str, int], disk: DiskRoom) -> str:
    """Why the node's disk cannot take an artifact that is to be made, with what it is made from;
    empty if it can. `weight_bytes` has the sizes by artifact."""
    needed = 0
    source: Artifact | None = artifact
    while source is not None and source.id not in disk.artifacts:
        if source.path is None and source.quantizer:
            needed += weight_bytes.get(source.id, 0)
        source = source.made_from
    if disk.bytes is None or needed <= disk.bytes:
        return ""
    return _shortage(needed, disk.bytes, " of disk in the cache")


def _has_kind(kinds: list[str], wanted: str) -> bool:
    """`gpu` is any accelerator; else the kind must begin so: `cuda` takes `cuda-sm90`."""
    return any(wanted == "gpu" or kind.startswith(wanted) for kind in kinds)


def _shortage(needed: int, available: int, where: str) -> str:
    return f"needs {format_bytes(needed)}{where}, {format_bytes(available)} available"

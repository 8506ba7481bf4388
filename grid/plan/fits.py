"""Why a cell cannot run on a node, known before anything is started."""

from __future__ import annotations

from grid.backend import Backend, Capability, Needs
from grid.cells.cell import Cell
from grid.cells.workload import Memory, Workload, kind
from grid.hardware.node import Node
from grid.units import format_bytes

_REQUIRED_CAPABILITIES: dict[str, tuple[tuple[Capability, ...], ...]] = {
    "memory": (("tokenizes",), ("steps", "generates")),
    "prefill": (("tokenizes",), ("steps",)),
    "decode": (("tokenizes",), ("steps",)),
    "latency": (("tokenizes",), ("generates",)),
    "quality": (("tokenizes",), ("logits",)),
    "tasks": (("tokenizes",), ("scores",)),
}
"""What measuring each kind of workload asks of an engine: one of each group."""


def capability_obstacle(backend: Backend, workload: Workload) -> str:
    """Why a backend cannot be asked a workload; empty if it can."""
    for group in _REQUIRED_CAPABILITIES[kind(workload)]:
        if not backend.capabilities.intersection(group):
            return f"{backend.name} does not declare {group[0]}, which {kind(workload)} takes"
    return ""


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


def _has_kind(kinds: list[str], wanted: str) -> bool:
    """`gpu` is any accelerator; else the kind must begin so: `cuda` takes `cuda-sm90`."""
    return any(wanted == "gpu" or kind.startswith(wanted) for kind in kinds)


def _shortage(needed: int, available: int, where: str) -> str:
    return f"needs {format_bytes(needed)}{where}, {format_bytes(available)} available"

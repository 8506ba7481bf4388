"""Estimate: how long a plan takes and how much memory, before it runs.

The model is coarse on purpose; its constants are of a desktop core with 8-bit integer kernels:

* prefill: 2 x parameters operations a token (one multiply and one add for each weight), at
  `FLOPS_PER_CORE` a core;
* decode: a step reads all weights once, at the node's measured bandwidth, and takes no less than
  a prefill token would alone plus `STEP_OVERHEAD_S`;
* a session starts a process (`START_S`) and reads the weights (`LOAD_BYTES_S`);
* a text that the reference writes costs a step for each of its tokens that is scored;
* making an artifact costs parameters / `QUANTIZED_PER_S`, or `CALIBRATED_PER_S` where a method such
  as GPTQ fits the weights to a calibration set;
* an importance matrix is computed once for all quants of a model: the 16-bit weights are loaded and
  read the calibration text at the rate of prefill. Summing up the inputs of products adds 1 %
  (SmolLM2-135M at F16, 2,048 tokens, one thread: 9.6 s, its prefill 9.5 s, this model's 11.0 s);
* an engine in an environment of its own is a Python stack: `IMPORT_S` to start, `PYTHON_STEP_S` a
  step, and `ENVIRONMENT_S` where the environment is still to be made.

Where cells of the plan were measured, the whole is scaled by measured time / modelled time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from grid.backend import ComposesRecipes
from grid.backend.registry import backend
from grid.cells.cell import Cell
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, ServerLoad, Tasks
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.plan.order import Session
from grid.plan.plan import Plan

FLOPS_PER_CORE = 50e9
STEP_OVERHEAD_S = 100e-6
START_S = 0.5
LOAD_BYTES_S = 1e9
QUANTIZED_PER_S = 20e6
CALIBRATED_PER_S = 0.15e6
IMPORT_S = 15.0
PYTHON_STEP_S = 5e-3
ENVIRONMENT_S = 60.0
MEMORY_STEPS = 4
"""Tokens that a memory cell generates after filling its context."""
ITEM_TOKENS = 45
"""Tokens computed for a task item of which no facts are at hand: the bundled items' mean."""
_UNKNOWN_BANDWIDTH = 10e9


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` of wall time, `host_bytes` of the largest cell (None where no cell is left).

    `from_measured` is how many measured cells the rate comes from; 0: from the model alone.
    """

    seconds: float
    host_bytes: int | None
    from_measured: int


def estimate(plan: Plan, wall_s: Mapping[str, float] | None = None) -> Estimate:
    """Time and memory for the cells still to run; `wall_s` maps measured cell ids to seconds.

    Artifacts are counted as if none was made yet, so a warm cache makes it less.
    """
    wall_s = wall_s or {}
    timed = [cell for cell in plan.measured if wall_s.get(cell.id, 0.0) > 0]
    modelled = sum(cell_seconds(plan, cell) for cell in timed)
    scale = sum(wall_s[cell.id] for cell in timed) / modelled if modelled > 0 else 1.0
    cells = sum(cell_seconds(plan, cell) for cell in plan.cells)
    return Estimate(
        seconds=scale * cells + _set_up_seconds(plan),
        host_bytes=plan.peak_host_bytes,
        from_measured=len(timed),
    )


def cell_seconds(plan: Plan, cell: Cell) -> float:
    """Modelled seconds of one cell in an engine that is loaded."""
    overhead_s = PYTHON_STEP_S if cell.backend in plan.environments else STEP_OVERHEAD_S
    if isinstance(cell.workload, ServerLoad):
        return cell.workload.expected_seconds
    weight_bytes = plan.weight_bytes[cell.artifact.id]
    return seconds_of(plan.node, cell.artifact, weight_bytes, *_tokens(plan, cell), overhead_s)


def seconds_of(
    node: Node,
    artifact: Artifact,
    weight_bytes: int,
    read: int,
    written: int,
    overhead_s: float = PYTHON_STEP_S,
) -> float:
    """Modelled seconds to read and write so many tokens; `overhead_s` is that of a step."""
    prefill_s = 2 * artifact.model.parameters / (FLOPS_PER_CORE * max(1, node.cores))
    bandwidth = node.bandwidth_bytes_s if node.bandwidth_bytes_s > 0 else _UNKNOWN_BANDWIDTH
    return read * prefill_s + written * (max(prefill_s, weight_bytes / bandwidth) + overhead_s)


def _tokens(plan: Plan, cell: Cell) -> tuple[int, int]:
    """Tokens that a cell reads in batches and writes one by one, the warm-up included."""
    match cell.workload:
        case Memory(context=context):
            return context, MEMORY_STEPS
        case Prefill(tokens=tokens, depth=depth, repetitions=times):
            return depth + tokens * (times + 1), 0
        case Decode(tokens=tokens, depth=depth, repetitions=times):
            return depth, tokens * times + 1
        case Latency(prompt=prompt, generate=generate, repetitions=times):
            return prompt * (times + 1), generate * (times + 1)
        case Quality(context=context, chunks=chunks):
            return context * chunks, 0
        case Tasks(items_sha256=sha256, limit=limit, part_of=total):
            facts = plan.item_facts.get(sha256)
            if facts is None:
                return limit * ITEM_TOKENS, 0
            share = limit / total if total else 1.0
            return round(share * facts.read), round(share * facts.written)
        case ServerLoad():  # as long as it is asked to be, whatever the model
            return 0, 0


def _set_up_seconds(plan: Plan) -> float:
    unmade = sum(not plan.environments.get(name, True) for name in plan.backends)
    return (
        sum(start_seconds(plan, session) for session in plan.sessions)
        + sum(making_seconds(plan).values())
        + _writing_seconds(plan)
        + unmade * ENVIRONMENT_S
    )


def _writing_seconds(plan: Plan) -> float:
    """Modelled seconds in which references write the texts that are to be scored: as many tokens as
    are, for how many their prompts come to is not known before."""
    texts = {
        (workload.text_sha256, workload.reference): workload
        for cell in plan.cells
        if isinstance(workload := cell.workload, Quality) and workload.prompts_sha256
    }
    total = 0.0
    for workload in texts.values():
        artifact = plan.references[workload.reference or ""].artifact
        weight_bytes = plan.weight_bytes[artifact.id]
        written = workload.context * workload.chunks
        total += seconds_of(plan.node, artifact, weight_bytes, 0, written, STEP_OVERHEAD_S)
    return total


def start_seconds(plan: Plan, session: Session) -> float:
    """Modelled seconds until a session's engine is loaded."""
    start_s = IMPORT_S if session.backend in plan.environments else START_S
    return start_s + plan.weight_bytes[session.artifact.id] / LOAD_BYTES_S


def making_seconds(plan: Plan) -> dict[str, float]:
    """Modelled seconds to make each artifact of a plan from what it is made of, by id; 0 for given
    ones. Those that share a computed importance matrix share its time."""
    artifacts = plan.artifacts
    sharing = Counter(map(_matrix_key, artifacts))
    return {
        artifact.id: _quantizing_seconds(artifact)
        + _matrix_seconds(plan, artifact) / sharing[_matrix_key(artifact)]
        for artifact in artifacts
    }


def _quantizing_seconds(artifact: Artifact) -> float:
    if artifact.made_from is None:
        return 0.0
    fitted = artifact.calibration and not _takes_matrix(artifact)
    return artifact.model.parameters / (CALIBRATED_PER_S if fitted else QUANTIZED_PER_S)


def _matrix_seconds(plan: Plan, artifact: Artifact) -> float:
    """Modelled seconds to compute an artifact's importance matrix; 0 where there is none, or it is
    read from a file."""
    source = artifact.made_from
    if source is None or _matrix_key(artifact) is None:
        return 0.0
    weight_bytes = plan.weight_bytes.get(source.id, 2 * source.model.parameters)
    read_s = seconds_of(plan.node, source, weight_bytes, plan.calibration_tokens, 0)
    return START_S + weight_bytes / LOAD_BYTES_S + read_s


def _matrix_key(artifact: Artifact) -> tuple[str, str, str] | None:
    """What artifacts have in common that share a computed matrix; None for others."""
    source = artifact.made_from
    computed = artifact.calibration and not artifact.matrix and _takes_matrix(artifact)
    return (source.id, artifact.backend, artifact.calibration) if source and computed else None


def _takes_matrix(artifact: Artifact) -> bool:
    """Whether its maker weighs errors by an importance matrix."""
    return isinstance(backend(artifact.backend), ComposesRecipes)

"""Stores for the tests of pages and tables, each attempt written as a sweep writes it.

`python tests/helpers/page_stores.py FOLDER` writes them all, to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from grid.cells.cell import Cell
from grid.cells.measurement import ItemResult, Measurement, Series
from grid.cells.workload import (
    SPEED_KINDS,
    Decode,
    Latency,
    Memory,
    Prefill,
    Quality,
    Tasks,
    Workload,
    kind,
)
from grid.hardware.node import Accelerator, Node
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.model import LayerState, Model
from grid.results.derive import metrics_of
from grid.results.store import Store, Writer
from grid.units import GIB

BOX = Node(
    name="box",
    system="Linux 6",
    chip="AMD EPYC 9B45",
    cores=16,
    memory_bytes=64 * GIB,
    bandwidth_bytes_s=90e9,
    cpu_kind="cpu-avx512-vnni",
)
CARD_BOX = Node(
    name="card-box",
    system="Linux 6",
    chip="Intel Xeon w9-3495X",
    cores=32,
    memory_bytes=128 * GIB,
    bandwidth_bytes_s=200e9,
    cpu_kind="cpu-amx",
    accelerators=(
        Accelerator(name="NVIDIA RTX 6000 Ada Generation", kind="cuda-sm89", memory_bytes=48 * GIB),
    ),
)


class Rung(NamedTuple):
    """A quant, its bits a weight, and its mean divergence from 16 bits, nat."""

    quant: str
    bits: float
    kld: float


LONG_LADDER = (
    Rung("F16", 16.0, 0.0),
    Rung("Q8_0", 8.5, 0.0009),
    Rung("UD-Q6_K_XL", 6.9, 0.003),
    Rung("Q5_K_M", 5.7, 0.008),
    Rung("Q4_K_M", 4.85, 0.021),
    Rung("AWQ-w4a16-g128-zero-point", 4.6, 0.045),
    Rung("IQ4_XS-imatrix-wikitext-512x512", 4.25, 0.031),
    Rung("UD-Q3_K_XL", 3.9, 0.07),
    Rung("IQ3_XXS", 3.1, 0.17),
    Rung("UD-IQ1_S-dynamic-2.0-nextn", 2.0, 0.55),
)

LONG_NAMES = (
    ("DeepSeek-R1-0528-Qwen3-8B-abliterated-DPO-v2.1-multilingual-instruct", 8.2e9),
    ("Mistral-Nemo-Instruct-2407-heretic-noslop-uncensored-i1", 12.2e9),
    ("Meta-Llama-3.1-8B-Instruct-Tulu-3-SFT-RLVR-longcontext-1M-preview", 8.0e9),
    ("Qwen3-Coder-30B-A3B-Instruct-1M-context-extended-YaRN-rope-scaling", 30.5e9),
    ("gemma-3-27b-it-qat-q4_0-unquantized-vision-tower-removed", 27.0e9),
    ("Phi-4-reasoning-plus-distilled-from-o3-mini-high-effort-traces-v3", 14.7e9),
    ("OLMo-2-1124-13B-Instruct-preview-checkpoint-step-000595000-tokens-5T", 13.7e9),
    ("internlm2_5-7b-chat-1m-function-calling-tool-use-finetune-20250117", 7.7e9),
    ("Nous-Hermes-2-Mixtral-8x7B-DPO-adapter-merged-safetensors-sharded", 46.7e9),
    ("SmolLM3-3B-checkpoints-stage3-long-context-decay-final-annealed", 3.1e9),
)
"""Ten models with their parameters, named at the length at which people publish them."""

SMOL_LADDER = (
    Rung("F16", 16.0, 0.0),
    Rung("Q8_0", 8.5, 0.00384),
    Rung("Q6_K", 8.02, 0.00925),
    Rung("Q5_K_M", 6.04, 0.0740),
    Rung("Q4_K_M", 5.53, 0.0542),
    Rung("Q3_K_M", 4.63, 0.134),
    Rung("Q4_0", 4.5, 0.284),
    Rung("Q2_K", 4.23, 0.400),
)
"""SmolLM2-135M, as llama.cpp quantizes it and `grid sweep` measured it."""

TASKS = {"math": 0.55, "knowledge": 0.7, "code": 0.45}
"""Classes of tasks, and the share that a model of 10e9 weights at 16 bits answers."""

ITEMS, CHUNKS, TOKENS, REPETITIONS = 40, 8, 32, 5


def write_long_names(folder: Path) -> Path:
    """100 variants of ten models with long names on one class, and 30 of them on another that has
    an accelerator."""
    with Store(folder).writer() as writer:
        for name, parameters in LONG_NAMES:
            add_ladder(writer, model(name, parameters), LONG_LADDER, BOX)
        for name, parameters in LONG_NAMES[:3]:
            add_ladder(writer, model(name, parameters), LONG_LADDER, CARD_BOX)
    return folder


def write_kld_ladder(folder: Path) -> Path:
    """A real ladder that was compared with its 16 bits, and asked no tasks."""
    with Store(folder).writer() as writer:
        add_ladder(writer, model("SmolLM2-135M", 134_515_008), SMOL_LADDER, BOX, tasks=False)
    return folder


def model(name: str, parameters: float) -> Model:
    layer = LayerState(key=1024, value=1024)
    return Model(
        name=name,
        family=name.split("-")[0].lower(),
        source=f"hf://publisher/{name}",
        revision=f"revision of {name}",
        architecture="llama",
        parameters=round(parameters),
        context_length=131_072,
        vocabulary=128_256,
        layers=(layer,) * 32,
    )


def add_ladder(
    writer: Writer, of: Model, ladder: Sequence[Rung], node: Node, tasks: bool = True
) -> None:
    """Speed, memory and closeness to 16 bits of every rung, and answers to tasks."""
    rng = np.random.default_rng(of.parameters)
    whole = _artifact(of, ladder[0])
    for rung in ladder:
        artifact = _artifact(of, rung)
        for workload in _workloads(whole.id, tasks):
            _add(writer, artifact, workload, rung, node, rng)


def _artifact(of: Model, rung: Rung) -> Artifact:
    facts = ArtifactFacts(
        bytes=round(of.parameters * rung.bits / 8),
        sha256=f"content of {of.name} {rung.quant}",
        bpw_file=rung.bits,
        bpw_layer=rung.bits,
        elements=of.parameters,
    )
    return Artifact(model=of, format="gguf", quant=rung.quant, facts=facts)


def _workloads(reference: str, tasks: bool) -> Iterator[Workload]:
    yield Memory(context=4096)
    yield Prefill(tokens=512, repetitions=REPETITIONS)
    yield Decode(tokens=128, repetitions=REPETITIONS)
    yield Decode(tokens=128, depth=4096, repetitions=REPETITIONS)
    yield Latency(prompt=512, generate=16, repetitions=REPETITIONS)
    yield Quality(
        text="ref:heldout", text_sha256="5e", context=2 * TOKENS, chunks=CHUNKS, reference=reference
    )
    for name in TASKS if tasks else ():
        yield Tasks(task_class=name, source="ref:items", items_sha256=f"items {name}", limit=ITEMS)


def _add(
    writer: Writer,
    artifact: Artifact,
    workload: Workload,
    rung: Rung,
    node: Node,
    rng: np.random.Generator,
) -> None:
    cell = Cell(
        artifact=artifact,
        backend="llamacpp",
        options={"threads": node.cores, "gpu_layers": 99 if node.accelerators else 0},
        workload=workload,
        scope=node.hardware_class if isinstance(workload, SPEED_KINDS) else node.device_kind,
        speed_only=frozenset({"threads"}),
    )
    measurement = Measurement(
        cell_id=cell.id,
        status="ok",
        started_at=1_790_000_000.0,
        wall_s=3.0,
        engine_s=2.0,
        engine_version="llama.cpp b7000",
        **_raw(artifact, workload, rung, node, rng),
    )
    metrics = metrics_of(kind(workload), workload, measurement)
    writer.add(cell, measurement, metrics, node=node, sweep_id="pages", sweep="pages")


def _raw(
    artifact: Artifact, workload: Workload, rung: Rung, node: Node, rng: np.random.Generator
) -> dict[str, object]:
    """Scalars, series or items of a measurement: what the file's bytes and bandwidth allow, and
    answers that get fewer with the divergence."""
    assert artifact.facts
    size = artifact.facts.bytes
    rate = (10 if node.accelerators else 1) * 0.6 * node.bandwidth_bytes_s / size
    jitter = 1 + 0.01 * rng.standard_normal(REPETITIONS)
    match workload:
        case Memory():
            peak = size + artifact.model.kv_bytes(workload.context) + 3e8
            return {"scalars": {"peak_rss_bytes": peak, "load_s": size / 2e9}}
        case Prefill() | Decode():
            factor = 40 if isinstance(workload, Prefill) else 1 / (1 + workload.depth / 32_768)
            seconds = workload.tokens / (factor * rate) * jitter
            return {"series": (_series(f"{kind(workload)}_s", "s", seconds),)}
        case Latency():
            first, token = workload.prompt / (40 * rate) * jitter, jitter / rate
            whole = first + token * workload.generate
            series = (("ttft_s", first), ("tpot_s", token), ("e2e_s", whole))
            return {"series": tuple(_series(name, "s", values) for name, values in series)}
        case Quality():
            return _closeness(artifact, rung, rng)
        case Tasks():
            return {"items": tuple(_answers(artifact, workload, rung))}


def _closeness(artifact: Artifact, rung: Rung, rng: np.random.Generator) -> dict[str, object]:
    count = CHUNKS * TOKENS
    text = np.random.default_rng(1).gamma(2.0, 1.2, count)  # the same text for all
    kld = rung.kld * rng.gamma(1.5, 1 / 1.5, count)
    p_change = -0.3 * np.sqrt(kld) * rng.random(count)
    series = {
        "nll": ("nat", text + kld),
        "kld": ("nat", kld),
        "dp": ("1", p_change),
        "same_top": ("1", (rng.random(count) > np.sqrt(kld) / 2).astype(float)),
        "nll_reference": ("nat", text),
        "top1_reference": ("1", np.random.default_rng(2).random(count)),
    }
    return {
        "scalars": {"chunks": float(CHUNKS), "scored_bytes": 4.0 * count},
        "series": tuple(_series(name, unit, values) for name, (unit, values) in series.items()),
    }


def _answers(artifact: Artifact, workload: Tasks, rung: Rung) -> Iterator[ItemResult]:
    """An item is answered where the model's skill is above its difficulty: who has more skill
    answers what the others do."""
    skill = TASKS[workload.task_class] + 0.12 * np.log(artifact.model.parameters / 1e10)
    difficulty = np.random.default_rng(len(workload.task_class)).random(ITEMS)
    slips = np.random.default_rng(artifact.model.parameters + round(10 * rung.bits))
    for i, hard in enumerate(difficulty):
        right = skill - 0.5 * rung.kld + 0.05 * slips.standard_normal() > hard
        yield ItemResult(
            task_class=workload.task_class,
            item=f"{workload.task_class}-{i}",
            score=float(right),
            chance=0.25,
            chosen=int(right),
            answer=1,
            log_likelihoods=(-2.0, -1.0) if right else (-1.0, -2.0),
        )


def _series(name: str, unit: str, values: Sequence[float]) -> Series:
    return Series(name=name, unit=unit, values=tuple(map(float, values)))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for write in (write_long_names, write_kld_ladder):
        print(write(target / write.__name__.removeprefix("write_")))

"""Simulated ladders of quants whose true capability is known, to judge advice by.

Two laws that have nothing in common but that more bits never hurt: `power` (loss grows with a power
of the divergence, which follows published tables) and `plateau` (no loss at all down to some bits,
then an exponential one; the divergence is only loosely of the same order). `shuffled` is `power`
with the capabilities of each model dealt out to its quants at random: size says nothing of quality.
`random`: so are their
capabilities. `equal`: all quants of a model are equally capable.

Answers to an item are right with a probability that falls with its difficulty; quants of one model
share most of their luck, so that they answer alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from grid.analysis import ClassItems, Variant
from grid.analysis.scored_text import ScoredText
from grid.results.statistics import Interval, composite

Floats = npt.NDArray[np.float64]
Law = Literal["power", "plateau", "shuffled", "random", "equal"]

QUANTS: dict[str, tuple[float, float]] = {
    "F16": (16.0, 0.0005), "Q8_0": (8.5, 0.0014), "Q6_K": (6.56, 0.0055), "Q5_K_M": (5.7, 0.0108),
    "Q5_K_S": (5.55, 0.0166), "Q4_K_M": (4.89, 0.0313), "Q4_K_S": (4.67, 0.0431),
    "Q4_0": (4.64, 0.072), "Q3_K_L": (4.31, 0.0872), "Q3_K_M": (4.0, 0.102),
    "Q3_K_S": (3.64, 0.228), "Q2_K": (3.16, 0.445),
}  # fmt: skip
"""Bits per weight of the file and KL divergence (nat) of Llama-3-8B, llama.cpp's table."""

CHUNKS = 16


@dataclass(frozen=True)
class World:
    """Variants of one class, and the true capability of each [variants]."""

    variants: list[Variant]
    truth: Floats


def make_world(
    rng: np.random.Generator, law: Law, items: int, kld: bool, models: tuple[int, int] = (2, 5)
) -> World:
    """A world of a few models with a part of the ladder each; `items` in all, over three tasks."""
    classes = ("math", "reasoning", "recall")
    tasks = [_Task(rng, name, items // len(classes)) for name in classes]
    variants: list[Variant] = []
    truth: list[float] = []
    for number in range(rng.integers(models[0], models[1] + 1)):
        ladder = _Ladder(rng, law, f"model{number}")
        by_task = [task.answers(rng, ladder) for task in tasks]
        for i, quant in enumerate(ladder.quants):
            answers = {task.name: gains[:, i] for task, gains in zip(tasks, by_task, strict=True)}
            variants.append(_variant(rng, ladder, i, quant, answers, tasks, kld))
            truth.append(float(np.mean([task.capability(ladder)[i] for task in tasks])))
    return World(variants, np.array(truth))


class _Ladder:
    """One model: its quants from most to fewest bits, their losses and divergences [quants]."""

    def __init__(self, rng: np.random.Generator, law: Law, name: str) -> None:
        self.name, self.parameters = name, float(np.exp(rng.uniform(0, np.log(70))) * 1e9)
        inner = [quant for quant in QUANTS if quant != "F16"]
        chosen = set(rng.choice(inner, rng.integers(4, 10), replace=False).tolist())
        self.quants = [q for q in QUANTS if q == "F16" or q in chosen]
        bits, divergence = np.array([QUANTS[quant] for quant in self.quants]).T
        self.bytes = self.parameters * bits / 8 * rng.uniform(0.98, 1.02, len(bits))
        self.whole = float(np.clip(0.3 + 0.12 * np.log(self.parameters / 1e9), 0.15, 0.9))
        self.whole = float(np.clip(self.whole + 0.08 * rng.standard_normal(), 0.1, 0.95))
        if law == "plateau":
            self.loss, self.kld = _plateau(rng, bits)
        else:
            self.loss, self.kld = _power(rng, divergence, self.parameters)
        self.loss, self.kld = np.maximum.accumulate(self.loss), np.maximum.accumulate(self.kld)
        if law == "shuffled":
            self.loss = rng.permutation(self.loss)
        if law == "random":
            self.loss = rng.uniform(0, 0.6, len(bits))
        if law == "equal":
            self.loss = np.zeros_like(self.loss)


def _power(
    rng: np.random.Generator, divergence: Floats, parameters: float
) -> tuple[Floats, Floats]:
    size = (8e9 / parameters) ** 0.3 * np.exp(0.3 * rng.standard_normal())
    kld = divergence * size * np.exp(0.1 * rng.standard_normal(len(divergence)))
    scale = 0.35 * np.exp(0.5 * rng.standard_normal())
    loss = scale * kld**0.9 * np.exp(0.3 * rng.standard_normal(len(kld)))
    return np.minimum(loss, 0.9), kld


def _plateau(rng: np.random.Generator, bits: Floats) -> tuple[Floats, Floats]:
    edge, steepness = rng.uniform(4.2, 6.0), rng.uniform(0.8, 1.6)
    height = rng.uniform(0.004, 0.03)
    loss = (
        height * np.expm1(steepness * np.maximum(edge - bits, 0)) * rng.uniform(0.7, 1.3, len(bits))
    )
    kld = 0.8 * np.exp(-1.0 * (bits - 2.5)) * np.exp(0.3 * rng.standard_normal(len(bits)))
    return np.minimum(loss, 0.9), np.sort(kld)


class _Task:
    """Items of one class: their difficulties, and what a wrong guess is worth."""

    def __init__(self, rng: np.random.Generator, name: str, items: int) -> None:
        self.name = name
        self.spread = float(rng.uniform(0.7, 2.5))
        self.difficulty = self.spread * rng.standard_normal(items)
        self.chance = float(rng.choice([0.0, 0.25]))
        self.bias = float(0.08 * rng.standard_normal())
        self.taste: dict[str, float] = {}
        self.ids = tuple(sorted(f"{name}{i:05}" for i in range(items)))
        self.sensitivity = float(np.exp(0.3 * rng.standard_normal()))

    def capability(self, ladder: _Ladder) -> Floats:
        """The true one, above chance [quants]."""
        whole = np.clip(ladder.whole + self.bias + self.taste[ladder.name], 0.05, 0.97)
        return np.asarray(whole * (1 - np.minimum(self.sensitivity * ladder.loss, 0.95)))

    def answers(self, rng: np.random.Generator, ladder: _Ladder) -> Floats:
        """Gains [items, quants] of mean `capability` over all items there could be."""
        self.taste[ladder.name] = float(0.05 * rng.standard_normal())
        skill = norm.ppf(self.capability(ladder)) * np.sqrt(1 + self.spread**2)
        n = len(self.difficulty)
        own = np.minimum(0.02 + 0.4 * ladder.kld, 0.5)
        luck = np.sqrt(1 - own) * rng.standard_normal((n, 1))
        luck = luck + np.sqrt(own) * rng.standard_normal((n, len(own)))
        knows = luck < skill - self.difficulty[:, None]
        guess = np.sqrt(1 - own) * rng.standard_normal((n, 1))
        guess = guess + np.sqrt(own) * rng.standard_normal((n, len(own)))
        right = knows | (norm.cdf(guess) < self.chance)
        return np.asarray((right - self.chance) / (1 - self.chance))


def _variant(
    rng: np.random.Generator,
    ladder: _Ladder,
    i: int,
    quant: str,
    answers: dict[str, Floats],
    tasks: list[_Task],
    kld: bool,
) -> Variant:
    items = {task.name: ClassItems(task.ids, answers[task.name]) for task in tasks}
    classes = {name: _mean(of_class.gains) for name, of_class in items.items()}
    weights = dict.fromkeys(classes, 1 / len(classes))
    facts: dict[str, object] = {}
    if kld:
        chunks = ladder.kld[i] * np.exp(0.5 * np.sin(np.arange(CHUNKS)))
        chunks = chunks * np.exp(0.05 * rng.standard_normal(CHUNKS))
        facts["kld_mean"] = Interval(float(chunks.mean()))
        facts["scored_text"] = ScoredText(
            "wiki", 512, CHUNKS, 255 * CHUNKS, f"{ladder.name}@sim", chunks, None
        )
    return Variant(
        model=ladder.name, family="", parameters=int(ladder.parameters), quant=quant,
        format="gguf", artifact_id=f"{ladder.name}-{quant}", artifact_bytes=int(ladder.bytes[i]),
        bpw_file=8 * ladder.bytes[i] / ladder.parameters, bpw_layer=None, backend="llama.cpp",
        options="{}", hardware_class="box", device_kind="cpu", sixteen_bit=quant == "F16",
        items=items, classes=classes, weights=weights, capability=composite(classes, weights),
        **facts,  # type: ignore[arg-type]
    )  # fmt: skip


def _mean(gains: Floats) -> Interval:
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / len(gains) ** 0.5
    return Interval(mean, mean - 1.96 * error, mean + 1.96 * error, error, len(gains))

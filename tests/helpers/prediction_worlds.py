"""Simulated worlds of chips whose true rates are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from grid.advice.prediction import Observation
from grid.advice.prediction.model import Effect, terms
from grid.advice.prediction.quants import bits

CHIPS = {
    "metal": ((68e9, 2.6e12), (200e9, 5.3e12), (400e9, 10.6e12), (800e9, 27e12)),
    "cuda": ((360e9, 12.7e12), (936e9, 35.6e12), (1008e9, 82e12)),
    "cpu": ((50e9, 4e11), (90e9, 8e11)),
}
QUANTS = ("F16", "Q8_0", "Q4_0", "Q4_K_M", "Q2_K")


def shapes() -> list[Observation]:
    """Two models in five quants on nine chips of three platforms, without rates."""
    return [
        Observation(
            group=f"{platform} {index}",
            platform=platform,
            engine="llamacpp",
            quant=quant,
            weight_bytes=parameters * bits(quant) / 8,
            read_bytes=parameters * bits(quant) / 8,
            parameters=parameters,
            bandwidth_bytes_s=bandwidth,
            flops_half=flops,
            flops_single=flops,
            clock_hz=1.5e9,
            model=f"{parameters:g}",
        )
        for platform, chips in CHIPS.items()
        for index, (bandwidth, flops) in enumerate(chips)
        for parameters in (1.1e9, 6.7e9)
        for quant in QUANTS
    ]


class World:
    """True effects, drawn from the model's own priors, or from others where `misspecified`; no
    world computes faster than the arithmetic of its chips.

    Then effects have heavy tails, each quant on each chip has an effect of its own that the model
    lacks, unpacking hides behind reading, and noise differs from chip to chip.
    """

    def __init__(self, seed: int, misspecified: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.misspecified = misspecified
        self.scale = float(np.exp(0.5 * self.rng.standard_normal()))
        self.noise = float(np.exp(np.log(0.04) + 0.6 * self.rng.standard_normal()))
        self.true_effects: dict[str, float] = {}

    def measure(self, row: Observation) -> Observation:
        """The row with rates as this world would measure them."""
        noise = self.noise * (self._own(f"noise {row.group}", 0.5) if self.misspecified else 1.0)
        off = noise * self.rng.standard_normal(2)
        if self.misspecified:
            off = off + np.log(self._own(f"{row.group} {row.quant}", 0.03))
        return replace(
            row,
            decode_tps=float(np.exp(off[0]) / self.seconds("decode", row)),
            prefill_tps=min(
                float(np.exp(off[1]) / self.seconds("prefill", row)),
                (row.flops_half or np.inf) / (2 * row.parameters),
            ),
        )

    def seconds(self, rate: str, row: Observation) -> float:
        """A token's true time, without noise."""
        parts = [
            np.exp(
                term.offset + sum(effect.weight * self.effect(effect) for effect in term.effects)
            )
            for term in terms(rate, row)  # type: ignore[arg-type]
        ]
        if self.misspecified and len(parts) == 3:
            return float(max(parts[0], parts[2]) + parts[1])
        return float(sum(parts))

    def effect(self, effect: Effect) -> float:
        if effect.name not in self.true_effects:
            spread = effect.sd * (self.scale if effect.pooled else 1.0)
            draw = (
                self.rng.standard_t(4) / np.sqrt(2)
                if self.misspecified
                else self.rng.standard_normal()
            )
            self.true_effects[effect.name] = effect.mean + spread * float(draw)
        return self.true_effects[effect.name]

    def _own(self, name: str, sd: float) -> float:
        """A factor of its own for each name."""
        if name not in self.true_effects:
            self.true_effects[name] = float(np.exp(sd * self.rng.standard_normal()))
        return self.true_effects[name]


def worlds(count: int, misspecified: bool) -> Iterator[tuple[World, list[Observation]]]:
    for seed in range(count):
        world = World(seed, misspecified)
        yield world, [world.measure(row) for row in shapes()]

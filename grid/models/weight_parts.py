"""Weights by what reads them: each layer's, the experts among them, the head, looked-up tables.

It says how many weights and bytes a token needs of a mixture of experts, and what of a model can
lie on another device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

Role = Literal["dense", "experts", "output", "lookup", "unused"]
"""`dense`: read for every token (attention, norms, routers, shared experts); `experts`: routed
ones; `output`: the head, also an embedding that serves as one; `lookup`: tables of which a token
needs a row; `unused`: not part of a token's computation (prediction of further tokens, images)."""


class LayerBytes(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of one layer's weights: those that every token reads, and all its routed experts."""

    dense: int
    experts: int = 0


class WeightParts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a file's weights by what can be placed apart. With `tied`, the embedding is `output`
    and there is no table of its own in `lookup`."""

    layers: tuple[LayerBytes, ...]
    output: int
    lookup: int = 0
    unused: int = 0
    tied: bool = False

    @property
    def total(self) -> int:
        """All of them."""
        layers = sum(layer.dense + layer.experts for layer in self.layers)
        return layers + self.output + self.lookup + self.unused

    @property
    def expert_bytes(self) -> int:
        """All routed experts."""
        return sum(layer.experts for layer in self.layers)

    def read_bytes(self, share: float = 1.0) -> float:
        """Bytes that a token reads where it uses this share of the routed experts."""
        dense = sum(layer.dense for layer in self.layers)
        return dense + self.output + share * self.expert_bytes

    def scaled(self, factor: float) -> WeightParts:
        """The same model stored in so many times the bytes."""

        def times(size: int) -> int:
            return round(factor * size)

        return WeightParts(
            layers=tuple(LayerBytes(times(of.dense), times(of.experts)) for of in self.layers),
            output=times(self.output),
            lookup=times(self.lookup),
            unused=times(self.unused),
            tied=self.tied,
        )


class Experts(msgspec.Struct, frozen=True, kw_only=True):
    """The experts of a mixture: in each of `layers` layers a token uses `used` of `count` and
    `shared` ones always; the first `leading_dense` layers have none. `parameters` counts the
    weights of all routed ones. `used` is None where nothing says it."""

    count: int
    used: int | None
    shared: int = 0
    layers: int = 0
    leading_dense: int = 0
    parameters: int = 0

    @property
    def share(self) -> float | None:
        """Share of the routed experts that a token uses."""
        return None if self.used is None else min(1.0, self.used / self.count)


class PlacedWeight(NamedTuple):
    """One tensor's part in a token; `layer` is that of dense weights and experts, else None."""

    role: Role
    layer: int | None
    elements: int
    bytes: int


class WeightSummary(NamedTuple):
    """`active_parameters` are those that a token uses; None where the used experts are unknown."""

    parts: WeightParts
    experts: Experts | None
    active_parameters: int | None


def summarize(
    weights: Iterable[PlacedWeight],
    *,
    tied: bool,
    experts: int = 0,
    used: int | None = None,
    shared: int = 0,
) -> WeightSummary:
    """Bytes by part, and what a token uses of a model with so many `experts` (0: a dense one).
    `tied`: the embedding serves as the head, and is among the weights as `output`."""
    sizes: defaultdict[Role, int] = defaultdict(int)
    elements: defaultdict[Role, int] = defaultdict(int)
    of_layer: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for weight in weights:
        elements[weight.role] += weight.elements
        if weight.layer is None:
            sizes[weight.role] += weight.bytes
        else:
            of_layer[weight.layer][weight.role == "experts"] += weight.bytes
    parts = WeightParts(
        layers=tuple(LayerBytes(*of_layer[i]) for i in range(max(of_layer, default=-1) + 1)),
        output=sizes["output"],
        lookup=sizes["lookup"],
        unused=sizes["unused"],
        tied=tied,
    )
    always = elements["dense"] + elements["output"]
    if not experts or not elements["experts"]:
        return WeightSummary(parts, None, always)
    return _of_mixture(parts, elements["experts"], always, experts, used, shared)


def _of_mixture(
    parts: WeightParts, routed: int, always: int, count: int, used: int | None, shared: int
) -> WeightSummary:
    mixed = [i for i, layer in enumerate(parts.layers) if layer.experts]
    experts = Experts(
        count=count,
        used=used,
        shared=shared,
        layers=len(mixed),
        leading_dense=mixed[0] if mixed else 0,
        parameters=routed,
    )
    share = experts.share
    active = None if share is None else round(always + share * routed)
    return WeightSummary(parts, experts, active)

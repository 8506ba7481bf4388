"""Public models at the most bits that fit a memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grid.advice.public_figures.published_loss import PublishedLoss, published_losses
from grid.analysis.memory import ASSUMED_OVERHEAD, LONGEST, element_bytes
from grid.models.public import PublicModel, public_models

RUNGS = (
    "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS",
)  # fmt: skip
"""Presets that are offered, most bits first."""

ALIKE = 1.05
"""Factor of the parameters within which two models count as of one size."""

OFFERED_FROM = "2024-09"
"""Month from which models are offered unasked: older ones have successors of their size."""


@dataclass(frozen=True)
class MemoryQuestion:
    """What must fit beside the weights: caches of `context` tokens for each of `sessions`, at a KV
    type. `max_bytes` bounds the weight files; `preset` is the only one that may be."""

    context: int
    kv_type: str = "f16"
    sessions: int = 1
    max_bytes: float | None = None
    preset: str | None = None


@dataclass(frozen=True)
class ModelOffer:
    """A public model at a preset: bytes of weights, cache and the rest; `room` is the longest
    context that fits, tokens. `loss` is that of the published ladder; None where the preset is the
    one that its makers publish, or is not in the ladder."""

    model: PublicModel
    preset: str
    weights: int
    kv: int
    overhead: int
    room: int
    loss: PublishedLoss | None
    native: bool

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.overhead

    @property
    def label(self) -> str:
        return f"{self.model.name} {self.preset}"

    @property
    def kld(self) -> float | None:
        """Nats that are lost by quantizing, by the published ladder: 0 for native weights."""
        if self.native:
            return 0.0
        return self.loss.kld if self.loss else None


def offers_within(
    models: Sequence[PublicModel],
    budget: float,
    question: MemoryQuestion,
    allow: Callable[[ModelOffer], bool],
) -> list[ModelOffer]:
    """Each model that is made for the context at the most bits that fit and are allowed, largest
    model first, newest of one size first."""
    fitting = (
        [offer for offer in ladder_of(model, budget, question) if allow(offer)]
        for model in models
        if model.context_length >= question.context
    )
    offers = [rungs[0] for rungs in fitting if rungs]
    return _by_size(offers)


def offered_models() -> list[PublicModel]:
    """Those that are offered unasked."""
    return [model for model in public_models() if model.released >= OFFERED_FROM]


def ladder_of(model: PublicModel, budget: float, question: MemoryQuestion) -> list[ModelOffer]:
    """The model at each preset that fits, most bits first."""
    native = model.native_preset
    presets = (native,) if native else RUNGS
    if question.preset is not None:
        presets = (question.preset,)
    offers = (_offer(model, preset, budget, question, preset == native) for preset in presets)
    return [offer for offer in offers if offer is not None]


def _offer(
    model: PublicModel, preset: str, budget: float, question: MemoryQuestion, native: bool
) -> ModelOffer | None:
    size = model.size(preset)
    if size is None or size.file_bytes > (question.max_bytes or budget):
        return None
    width = element_bytes(question.kv_type)
    cache = question.sessions * model.kv_bytes(question.context, width)
    free = budget - size.file_bytes - ASSUMED_OVERHEAD
    if cache > free:
        return None
    room = _longest(model, free / question.sessions, width)
    loss = published_losses().get(preset)
    return ModelOffer(model, preset, size.file_bytes, cache, ASSUMED_OVERHEAD, room, loss, native)


def _longest(model: PublicModel, free: float, width: float) -> int:
    """The longest context of which the cache fits, never more than the model is made for."""
    fit, over = 0, min(model.context_length, LONGEST) + 1
    while over - fit > 1:
        middle = (fit + over) // 2
        if model.kv_bytes(middle, width) <= free:
            fit = middle
        else:
            over = middle
    return fit


def _by_size(offers: Sequence[ModelOffer]) -> list[ModelOffer]:
    """Largest model first; of those within ALIKE of a group's largest the newest first."""
    left = sorted(offers, key=lambda offer: (-offer.model.parameters, offer.model.name))
    ordered: list[ModelOffer] = []
    while left:
        least = left[0].model.parameters / ALIKE
        group = [offer for offer in left if offer.model.parameters >= least]
        ordered += sorted(group, key=lambda o: (o.model.released, o.model.name), reverse=True)
        left = left[len(group) :]
    return ordered

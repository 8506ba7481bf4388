"""What to run on a machine where nothing was measured, from public figures alone.

Sizes and caches are arithmetic on public configurations. What quantizing loses is the published KL
divergence of one model. Rates are predicted. That the larger of two models is the more capable is
what everybody says, and no figure here judges it: the answer says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from grid.advice.advice import Figure
from grid.advice.ask import CONTEXT, Ask
from grid.advice.hardware import machine_of
from grid.advice.public_figures.command import make_lines, run_lines
from grid.advice.public_figures.offers import (
    MemoryQuestion,
    ModelOffer,
    ladder_of,
    offered_models,
    offers_within,
)
from grid.advice.public_figures.rates import USABLE, OfferRates
from grid.advice.public_figures.refusals import nothing_text
from grid.errors import InputError, did_you_mean
from grid.hardware.chips import Chip, budget_chip, usable_bytes
from grid.models.gguf.presets import PRESETS
from grid.models.public import PublicModel, find_model, public_models
from grid.units import GIB, format_bytes

BASIS = "from public figures; nothing measured here"

LITTLE = 0.05
"""Nats of KL divergence up to which a quant counts as close to 16 bits: Q4_K_M of the published
ladder lies below, Q3_K_M above."""

OTHERS = 5
"""Offers shown beside the pick."""

SPARE = 0.05
"""Part of the memory that is left free: what an engine takes besides is assumed, not measured."""

LARGER = 2
"""Larger models shown that fit at more loss only, or are too slow."""

KINDS = (("cuda", "a card"), ("metal", "a Mac"), ("cpu", "a CPU"))
"""What a bare memory may be of, by platform."""


@dataclass(frozen=True)
class RatedOffer:
    """An offer with its predicted decode rate after the context; None where no chip is known."""

    offer: ModelOffer
    decode: Figure | None

    @property
    def label(self) -> str:
        """Model and preset."""
        return self.offer.label


@dataclass(frozen=True)
class PublicPlace:
    """A machine with `budget_bytes` of memory for models, and the label of its pick, empty where
    nothing fits at little loss."""

    name: str
    budget_bytes: float
    budget_why: str
    platform: str
    pick: str = ""


@dataclass(frozen=True)
class PublicAnswer:
    """`pick` is None where nothing fits at little loss; `others` are smaller models, or of one
    model its other presets; `larger` fit at more loss only, or are slower than `assumed_tps`.
    `places` are the other kinds of machine that a bare memory may be of."""

    machine: PublicPlace
    question: MemoryQuestion
    pick: RatedOffer | None
    others: tuple[RatedOffer, ...]
    larger: tuple[RatedOffer, ...]
    places: tuple[PublicPlace, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    measure: str
    run: str = ""
    """The command that runs the pick once its file is there, empty where there is none."""
    make: str = ""
    """Lines that make that file of the model's own weights, empty where nobody noted where those
    are."""

    basis: str = BASIS
    assumed_tps: float | None = None
    """The least decode rate that was required though the ask names none; None where the pick is
    the same without."""


def public_answer(ask: Ask) -> PublicAnswer:
    """What public figures say of a chip, a budget or a bare memory.

    Raises InputError where the ask names no machine, a model whose configuration is not public, or
    limits that nothing meets, with what would.
    """
    question = _question(ask)
    models = offered_models() if ask.model is None else [_named_model(ask.model)]
    chip, places = _places(ask)
    rates = OfferRates(chip, question)
    asked_rate = partial(rates.reaches, tps=ask.min_decode_tps)
    first, *alternatives = (_at(place, models, question, ask, asked_rate) for place in places)
    usable = first
    if ask.model is None and ask.min_decode_tps is None:
        usable = _usable(first, _at(places[0], models, question, ask, rates.likely_usable))
    if not first.offers:
        raise InputError(nothing_text(_free(first.place), models, question, rates, ask))
    pick = next((offer for offer in usable.offers if _close(offer)), None)
    return PublicAnswer(
        machine=first.place,
        question=question,
        pick=None if pick is None else RatedOffer(pick, rates.decode(pick)),
        others=tuple(_rated(_others(usable.offers, pick), rates)),
        larger=tuple(_rated(_larger(first.offers, pick), rates)),
        places=tuple(alternative.place for alternative in alternatives),
        sources=_sources(first.offers, chip),
        notes=tuple(_notes(ask, chip)),
        measure=_measure(pick or first.offers[0]),
        run=run_lines(pick, question, ask, first.place.platform) if pick else "",
        make=make_lines(pick) if pick else "",
        assumed_tps=None if usable is first else USABLE,
    )


class PlaceOffers(NamedTuple):
    """A place with its offers, largest first."""

    place: PublicPlace
    offers: list[ModelOffer]


def _at(
    place: PublicPlace,
    models: Sequence[PublicModel],
    question: MemoryQuestion,
    ask: Ask,
    allow: Callable[[ModelOffer], bool],
) -> PlaceOffers:
    if ask.model is None:
        offers = offers_within(models, _free(place), question, allow)
    else:
        rungs = ladder_of(models[0], _free(place), question)
        fits = models[0].context_length >= question.context
        offers = [offer for offer in rungs if fits and allow(offer)]
    pick = next((offer for offer in offers if _close(offer)), None)
    return PlaceOffers(replace(place, pick=pick.label if pick else ""), offers)


def _usable(all_offers: PlaceOffers, usable: PlaceOffers) -> PlaceOffers:
    """The usable offers; all where that leaves no pick, for a slow answer is better than none, or
    where it is the same pick."""
    return all_offers if usable.place.pick in ("", all_offers.place.pick) else usable


def _free(place: PublicPlace) -> float:
    """Bytes that weights, cache and the assumed rest may take together."""
    return (1 - SPARE) * place.budget_bytes


def _close(offer: ModelOffer) -> bool:
    return offer.kld is not None and offer.kld <= LITTLE


def _others(offers: Sequence[ModelOffer], pick: ModelOffer | None) -> list[ModelOffer]:
    """Behind the pick: smaller models, or fewer bits; those at little loss first."""
    behind = offers[offers.index(pick) + 1 :] if pick else list(offers)
    return [offer for offer in behind if _close(offer)][:OTHERS] or list(behind[:OTHERS])


def _larger(offers: Sequence[ModelOffer], pick: ModelOffer | None) -> list[ModelOffer]:
    """Models before the pick's: what fits only at more loss, or is too slow; the largest first."""
    if pick is None:
        return []
    names = [offer.model.name for offer in offers]
    return list(offers[: names.index(pick.model.name)][:LARGER])


def _rated(offers: Sequence[ModelOffer], rates: OfferRates) -> list[RatedOffer]:
    return [RatedOffer(offer, rates.decode(offer)) for offer in offers]


def _question(ask: Ask) -> MemoryQuestion:
    context = ask.context or max(ask.least_context or 0, CONTEXT)
    preset = None
    if ask.quant is not None:
        preset = ask.quant.upper()
        if preset not in PRESETS:
            raise InputError(f"public figures know llama.cpp's quants only, not {ask.quant!r}")
    return MemoryQuestion(context, ask.kv_type, ask.sessions, ask.max_bytes, preset)


def _named_model(name: str) -> PublicModel:
    model = find_model(name)
    if model is None:
        names = [model.name for model in public_models()]
        hint = did_you_mean(name, names) or f"Known are {', '.join(names[:4])} and so on."
        raise InputError(
            f"the configuration of {name!r} is not at hand, and nothing was measured. {hint} Or "
            "measure it: grid sweep FILE.gguf"
        )
    return model


def _places(ask: Ask) -> tuple[Chip | None, list[PublicPlace]]:
    """The chip where one is known, and the machine; the kinds of machine of a bare memory."""
    if ask.chip is not None or ask.bandwidth_bytes_s is not None:
        machine = machine_of((), ask)
        if machine.budget_bytes is None:
            raise InputError(f"the memory of {machine.name} is not known; give it with --memory")
        place = PublicPlace(
            machine.name, machine.budget_bytes, machine.budget_why, machine.platform
        )
        return machine.chip, [place]
    if ask.memory_bytes is None:
        raise InputError(
            "nothing was measured here: name a machine, --chip 'RTX 4090' or --memory 24GB, for an "
            "answer from public figures; `grid sweep` measures this one"
        )
    return None, [_kind_of_machine(ask, platform, words) for platform, words in KINDS]


def _kind_of_machine(ask: Ask, platform: str, words: str) -> PublicPlace:
    memory = round(ask.memory_bytes or 0)
    reserved = None if ask.reserved_bytes is None else round(ask.reserved_bytes)
    name = f"{words} with {format_bytes(memory)}"
    usable = usable_bytes(budget_chip(memory, 1e11, platform, name), memory, reserved)
    return PublicPlace(name, float(usable.bytes), usable.why, platform)


def _sources(offers: Sequence[ModelOffer], chip: Chip | None) -> tuple[str, ...]:
    losses = [offer.loss for offer in offers if offer.loss is not None and not offer.native]
    ladder = f"KLD: {losses[0].model}, {losses[0].source}" if losses else ""
    rates = "rates: predicted from published ones, docs/prediction.md" if chip else ""
    sizes = "sizes and caches: public configurations and llama.cpp's presets"
    return tuple(filter(None, (sizes, ladder, rates)))


def _notes(ask: Ask, chip: Chip | None) -> Iterator[str]:
    yield (
        f"{100 * SPARE:g} % of the memory is left free: what an engine takes beside weights and "
        "cache is assumed"
    )
    yield "that a larger model is the more capable is a rule of thumb: no figure here judges it"
    yield "the KLD is of one model of 8B: others lose more or less by the same quant"
    if chip is not None:
        yield from chip.notes
    if ask.ram_bytes is not None:
        machine = f"--chip {shlex.quote(ask.chip)} " if ask.chip else ""
        ram = f"--ram {ask.ram_bytes / GIB:g}GiB"
        yield (
            "what lies in the card alone is answered here; of a model in card and main memory: "
            f"grid recommend --for 30B-A3B {machine}{ram}"
        )
    if chip is None:
        yield "name the --chip, or its --bandwidth, for a predicted decode rate"
    unanswered = {
        "--min-share": ask.min_share is not None,
        "--max-ttft": ask.max_ttft_s is not None,
        "--use": ask.use != "balanced" or bool(ask.weights),
        "--min-decode": ask.min_decode_tps is not None and chip is None,
    }
    names = [name for name, is_set in unanswered.items() if is_set]
    if names:
        yield f"not considered, since no public figure answers it: {', '.join(names)}"


def _measure(offer: ModelOffer) -> str:
    repository = offer.model.repository
    return f"grid sweep hf:{repository}" if repository else "grid sweep FILE.gguf"

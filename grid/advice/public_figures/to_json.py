"""The answer from public figures as plain data."""

from __future__ import annotations

from typing import Any

from grid.advice.public_figures.answer import PublicAnswer, PublicPlace, RatedOffer


def public_data(answer: PublicAnswer) -> dict[str, Any]:
    """For JSON; bytes, token/s and nats as in the answer."""
    return {
        "basis": answer.basis,
        "machine": _place_data(answer.machine),
        "context": answer.question.context,
        "kv_type": answer.question.kv_type,
        "sessions": answer.question.sessions,
        "assumed_min_decode_tps": answer.assumed_tps,
        "pick": answer.pick and _offer_data(answer.pick),
        "others": [_offer_data(offer) for offer in answer.others],
        "larger": [_offer_data(offer) for offer in answer.larger],
        "places": [_place_data(place) for place in answer.places],
        "sources": list(answer.sources),
        "notes": list(answer.notes),
        "measure": answer.measure,
        "run": answer.run,
        "make": answer.make,
    }


def _place_data(place: PublicPlace) -> dict[str, Any]:
    return {
        "name": place.name,
        "budget_bytes": place.budget_bytes,
        "budget_why": place.budget_why,
        "pick": place.pick,
    }


def _offer_data(rated: RatedOffer) -> dict[str, Any]:
    offer, decode = rated.offer, rated.decode
    return {
        "model": offer.model.name,
        "quant": offer.preset,
        "parameters": offer.model.parameters,
        "active_parameters": offer.model.active_parameters,
        "repository": offer.model.repository,
        "weights_bytes": offer.weights,
        "kv_bytes": offer.kv,
        "overhead_bytes": offer.overhead,
        "longest_context": offer.room,
        "kld": offer.kld,
        "kld_source": None if offer.native or not offer.loss else offer.loss.source,
        "decode_tps": decode
        and {
            "value": decode.value,
            "low": decode.low,
            "high": decode.high,
            "evidence": decode.evidence.text,
        },
    }

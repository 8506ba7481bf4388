"""Advice where nothing was measured: from public shapes, published ladders and predicted rates."""

from grid.advice.public_figures.answer import BASIS, PublicAnswer, RatedOffer, public_answer
from grid.advice.public_figures.offers import MemoryQuestion, ModelOffer
from grid.advice.public_figures.published_loss import PublishedLoss
from grid.advice.public_figures.to_json import public_data

__all__ = [
    "BASIS",
    "MemoryQuestion",
    "ModelOffer",
    "PublicAnswer",
    "PublishedLoss",
    "RatedOffer",
    "public_answer",
    "public_data",
]

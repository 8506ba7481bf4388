"""Latency of an engine that guesses tokens: counts of its requests, over several passages."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from grid.backend import SpeculationCounts
from grid.cells.measurement import Measurement
from grid.cells.workload import Decode, Latency, Prefill, identity_fields
from grid.engine.measure.latency import latency
from grid.engine.measure.meter import Meter
from grid.plan.fits import speculation_obstacle
from grid.results.derive import metrics_of


class GuessingEngine:
    """Three tokens a step: of two guesses one holds."""

    bos = None
    vocabulary = 256
    version = "guessing"

    def __init__(self) -> None:
        self.speculation = SpeculationCounts(0, 0, 0)
        self.prompts: list[bytes] = []

    def environment(self):
        return {}

    def memory_report(self):
        return {}

    def resize(self, context: int) -> None:
        pass

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids) -> bytes:
        return bytes(ids)

    def generate(self, prompts, max_tokens, ignore_eos, seed):
        self.prompts.append(bytes(prompts[0]))
        drafted, accepted, steps = self.speculation
        self.speculation = SpeculationCounts(drafted + 8, accepted + 4, steps + 4)
        yield from ((0, 65) for _ in range(max_tokens))


def test_requests_take_passages_in_turn_and_count_their_guesses():
    engine = GuessingEngine()
    workload = Latency(prompt=16, generate=9, repetitions=4, prompts=2)
    result = latency(engine, workload, Meter())
    warm_up, *requests = engine.prompts
    assert warm_up == requests[1] == requests[3] != requests[0] == requests[2]
    measurement = Measurement(cell_id="c", status="ok", series=result.series)
    figures = {m.name: m for m in metrics_of("latency", workload, measurement)}
    assert figures["acceptance_rate"].value == pytest.approx(0.5)
    assert figures["tokens_per_step"].value == pytest.approx(2.0)
    assert figures["tokens_per_step"].n == 16


def test_several_passages_are_another_cell_and_a_single_passage_the_same_as_before():
    assert "prompts" not in identity_fields(Latency(prompt=16, generate=9))
    assert identity_fields(Latency(prompt=16, generate=9, prompts=2))["prompts"] == 2


def test_random_tokens_have_no_decode_rate_where_tokens_are_guessed():
    backend = SimpleNamespace(speculative_options=frozenset({"ngram"}))
    guessing = SimpleNamespace(options={"ngram": 3, "threads": 2}, workload=Decode(tokens=8))
    assert "ngram: the rate depends on the text, random tokens have none" in speculation_obstacle(
        backend, guessing
    )
    plain = SimpleNamespace(options={"threads": 2}, workload=Decode(tokens=8))
    assert speculation_obstacle(backend, plain) == ""
    prefill = SimpleNamespace(options={"ngram": 3}, workload=Prefill(tokens=8))
    assert speculation_obstacle(backend, prefill) == ""

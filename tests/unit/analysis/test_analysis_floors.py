"""The divergence under which a comparison says nothing is that of the engine that computed it."""

from __future__ import annotations

import pytest
from analysis_cases import Rows

from grid.analysis import Variant, variants

BASE = {"threads": 2, "batch": 512}


class Engines(Rows):
    """Rows of one model, compared with its 16 bits in the backend `reference`."""

    def compared(self, backend: str, quant: str, kld: float, **fields: object) -> None:
        workload = {"type": "quality", "text_sha256": "t", "reference": "base-F16@one"}
        metrics = {"perplexity": 5.0, "kld_mean": kld}
        self.attempt("quality", workload, metrics=metrics, quant=quant, backend=backend, **fields)


@pytest.fixture
def rows() -> Engines:
    """The reference in engine `one`, with a noise of 1e-6; engine `two` is 1e-4 from it."""
    rows = Engines()
    rows.compared("one", "F16", 0.0)
    rows.decode([1.0, 1.1], quant="F16", backend="one")
    rows.compared("one", "F16", 1e-6, options='{"threads": 1, "batch": 48}')
    rows.compared("two", "F16", 1e-4)
    return rows


def variant_of(rows: Engines, backend: str, quant: str) -> Variant:
    of = [v for v in variants(rows.tables()) if (v.backend, v.quant) == (backend, quant)]
    (only,) = of
    return only


def test_another_engine_has_the_floor_of_its_own_16_bits(rows: Engines) -> None:
    rows.compared("one", "Q8_0", 5e-5)
    rows.compared("two", "Q8_0", 5e-5)
    assert variant_of(rows, "one", "Q8_0").noise_floor_nat == 1e-6
    assert variant_of(rows, "two", "Q8_0").noise_floor_nat == 1e-4
    assert variant_of(rows, "one", "Q8_0").indistinguishable is False
    assert variant_of(rows, "two", "Q8_0").indistinguishable is True


def test_an_engine_without_16_bits_has_no_floor(rows: Engines) -> None:
    rows.compared("three", "Q8_0", 1e-9)
    assert variant_of(rows, "three", "Q8_0").noise_floor_nat is None
    assert variant_of(rows, "three", "Q8_0").indistinguishable is None


def test_options_have_the_floor_of_the_same_options(rows: Engines) -> None:
    short = '{"dtype": "bfloat16"}'
    rows.compared("two", "F16", 3e-3, options=short)
    rows.compared("two", "Q8_0", 3e-3, options=short)
    assert variant_of(rows, "two", "Q8_0").noise_floor_nat == 3e-3


def test_other_whole_weights_in_the_references_engine_are_no_floor(rows: Engines) -> None:
    rows.compared("one", "F16", 4e-4, artifact_id="base-F16-of-BF16")
    rows.compared("one", "Q8_0", 3e-4)
    assert variant_of(rows, "one", "Q8_0").noise_floor_nat == 1e-6


def test_whole_weights_are_not_called_indistinguishable_from_themselves(rows: Engines) -> None:
    assert variant_of(rows, "two", "F16").indistinguishable is None


def test_the_reference_is_one_engines_16_bits(rows: Engines) -> None:
    assert variant_of(rows, "one", "F16").sixteen_bit
    assert not variant_of(rows, "two", "F16").sixteen_bit

"""Made-up variants that rules of thumb are judged on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from analysis_cases import variant

from grid.analysis import Speed, Variant
from grid.models.model import LayerState
from grid.results.statistics import Interval, rate_interval

MANY, FEW = 8000, 20
"""Items that decide, and items that do not."""

BASE = 0.8
"""Capability at 16 bits."""

BITS = {"F16": 16, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.85, "Q4_K_S": 4.6,
        "Q4_0": 4.6, "Q3_K_M": 3.9, "Q3_K_S": 3.6, "IQ3_XS": 3.5, "Q2_K": 3.1,
        "IQ2_XXS": 2.4}  # fmt: skip


@dataclass(frozen=True)
class Cases:
    """Variants for each of the three verdicts."""

    holds: list[Variant]
    contradicted: list[Variant]
    open: list[Variant]


def answers(share: float, items: int = MANY) -> list[float]:
    """Gains of items, the first `share` of them right: runs differ in as few items as they can."""
    right = round(share * items)
    return [1.0] * right + [0.0] * (items - right)


def make_variant(
    quant: str,
    gains: float | Mapping[str, float] | None,
    items: int = MANY,
    model: str = "base",
    parameters: int = 10**9,
    **fields: object,
) -> Variant:
    """A variant with these shares of right answers, of a size that its quant gives."""
    shares: Mapping[str, float] = (
        {} if gains is None else gains if isinstance(gains, Mapping) else {"math": gains}
    )
    size = round(BITS.get(quant, 4) * parameters / 8)
    facts: dict[str, object] = {
        "model": model, "parameters": parameters, "sixteen_bit": quant == "F16",
        "artifact_id": f"{model}-{quant}", "quant": quant,
        "bpw_file": BITS.get(quant), **fields,
    }  # fmt: skip
    scores = {name: answers(share, items) for name, share in shares.items()}
    return variant(quant, int(facts.pop("artifact_bytes", size)), scores, **facts)  # type: ignore[arg-type, call-overload]


def variants_losing(
    loss: Mapping[str, float], items: int = MANY, **fields: object
) -> list[Variant]:
    """A model at 16 bits, and at quants that lose such parts of its capability."""
    whole = make_variant("F16", BASE, items, **fields)  # type: ignore[arg-type]
    return [
        whole,
        *(make_variant(q, BASE * (1 - part), items, **fields) for q, part in loss.items()),  # type: ignore[arg-type]
    ]


def loss_rule_cases(name: str, inside: float, outside: float) -> Cases:
    few = variants_losing({name: max(inside, 1 / 16)}, FEW)
    return Cases(variants_losing({name: inside}), variants_losing({name: outside}), few)


def cases_of_shares(build: Callable[[float, int], list[Variant]], good: float, bad: float) -> Cases:
    """The same scene with a good share, a bad one, and a share that few items cannot tell."""
    return Cases(build(good, MANY), build(bad, MANY), build(good, FEW))


def frontier(share: float, items: int) -> list[Variant]:
    return [make_variant("Q4_K_M", share, items), make_variant("Q3_K_M", 0.75, items)]


def two_bits(share: float, items: int) -> list[Variant]:
    return [
        make_variant("Q2_K", share, items, "big", 2 * 10**9),
        make_variant("Q4_K_M", 0.6, items, "small", 10**9),
    ]


def cliff(four: float, items: int) -> list[Variant]:
    return [
        make_variant("F16", 0.8, items),
        make_variant("Q4_K_M", four, items),
        make_variant("Q3_K_M", 0.6, items),
    ]


def attention_kinds(shared_loss: float, whole_loss: float, models: int) -> list[Variant]:
    """Models of 1e9 parameters in 16 layers are about 2300 wide."""
    variants: list[Variant] = []
    for kind, width, loss in (("few", 512, shared_loss), ("all", 2304, whole_loss)):
        for number in range(models):
            layers = (LayerState(key=width, value=width),) * 16
            variants += variants_losing({"Q4_K_M": loss}, model=f"{kind}{number}", layers=layers)
    return variants


def equal_size(share: float, items: int) -> list[Variant]:
    return [
        make_variant("Q4_K_M", share, items, "small", 10**9, artifact_bytes=600),
        make_variant("Q2_K", 0.6, items, "big", 2 * 10**9, artifact_bytes=620),
    ]


def large_over_small(share: float, items: int) -> list[Variant]:
    return [
        make_variant("Q4_K_M", share, items, "big", 3 * 10**9),
        make_variant("F16", 0.6, items, "small", 10**9),
    ]


def small_over_large(share: float, items: int) -> list[Variant]:
    return [
        make_variant("Q4_K_M", 0.8, items, "big", 3 * 10**9),
        make_variant("Q3_K_M", 0.6, items, "big", 3 * 10**9),
        make_variant("Q8_0", share, items, "small", 10**9),
    ]


def losses_by_class(losses: Mapping[str, float], items: int = MANY) -> list[Variant]:
    whole = dict.fromkeys(losses, BASE)
    quantized = {name: BASE * (1 - loss) for name, loss in losses.items()}
    return [make_variant("F16", whole, items), make_variant("Q3_K_M", quantized, items)]


def retrieval_loss(loss: float, items: int) -> list[Variant]:
    return [
        make_variant("F16", {"embedding": BASE}, items, "embedder"),
        make_variant("Q4_K_M", {"embedding": BASE * (1 - loss)}, items, "embedder"),
        *variants_losing({"Q4_K_M": 0.1}, items),
    ]


def interval(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half, half / 2, 100)


def variants_at_perplexities(rises: Mapping[str, float], half: float = 1e-4) -> list[Variant]:
    """Perplexity 6 at 16 bits; `half` of the interval of the paired ln ratio."""
    variants = [make_variant("F16", None, perplexity=interval(6.0, 0.01))]
    for name, rise in rises.items():
        ratio = {"ln_ppl_ratio": interval(float(np.log1p(rise / 6)), half)}
        figures = {"perplexity": interval(6.0 + rise, 0.01), "text_metrics": ratio}
        variants.append(make_variant(name, None, **figures))  # type: ignore[arg-type]
    return variants


def format_pair_cases(first: str, second: str) -> Cases:
    def build(share: float, items: int) -> list[Variant]:
        same = {"artifact_bytes": 400}
        return [make_variant(first, share, items, **same), make_variant(second, 0.6, items, **same)]  # type: ignore[arg-type]

    return cases_of_shares(build, 0.7, 0.5)


def variants_at_rates(rates: Mapping[str, Sequence[float]], **fields: object) -> list[Variant]:
    return [
        make_variant(
            name, None, decode={0: Speed(rate_interval(of), np.array(of), 100, 0)}, **fields
        )  # type: ignore[arg-type]
        for name, of in rates.items()
    ]


def steady_rates(rate: float) -> list[float]:
    return [rate * part for part in (0.995, 1.0, 1.005, 1.0, 0.998)]


def speed_rule_cases(name: str, claim: float) -> Cases:
    whole = steady_rates(100)
    return Cases(
        variants_at_rates({"F16": whole, name: steady_rates(100 * claim)}),
        variants_at_rates({"F16": whole, name: steady_rates(70 * claim)}),
        variants_at_rates({"F16": [60, 160, 90], name: [150, 300, 90]}),
    )


def on_cpu(small: Sequence[float], large: Sequence[float] | None) -> list[Variant]:
    variants = variants_at_rates({"Q4_K_M": small}, model="small", parameters=1_500_000_000)
    if large is not None:
        variants += variants_at_rates({"Q4_K_M": large}, model="big", parameters=8 * 10**9)
    return variants


def model_of_bits(name: str, bits: float) -> list[Variant]:
    """A model of 8e9 parameters at so many bits per weight, without any figure."""
    size = round(bits * 1e9)
    return [make_variant(name, None, parameters=8 * 10**9, bpw_file=bits, artifact_bytes=size)]


def size_rule_cases(parameters: float, name: str, claim: float) -> Cases:
    """Cases of bits at which the claim is right, and twice as many; open without a real model."""
    right = claim * 8e9 / parameters / 1.1
    return Cases(
        model_of_bits(name, right),
        model_of_bits(name, 2 * right),
        [make_variant(name, None, parameters=10**7)],
    )


def machine_rule_cases(name: str) -> Cases:
    return Cases(
        model_of_bits(name, 2.0),
        model_of_bits(name, 12.0),
        [make_variant(name, None, parameters=10**7)],
    )


def variants_needing(name: str, parameters: int, overhead: float, bits: float) -> list[Variant]:
    """16 bits, and a quant whose cache and engine take `overhead` bytes beside the weights."""
    layers = (LayerState(key=1, value=1),)
    variants = []
    for quant, width in ({"F16": 16.0} | {name: bits}).items():
        size = round(width * parameters / 8)
        peak = Interval(size + 16384 + overhead)
        variants.append(
            make_variant(
                quant, None, parameters=parameters, artifact_bytes=size, layers=layers,
                peak_rss_bytes=peak, memory_context=4096,
            )
        )  # fmt: skip
    return variants


def memory_share_cases(name: str, bits: float) -> Cases:
    return Cases(
        variants_needing(name, 70 * 10**9, 5e8, bits),
        variants_needing(name, 10**9, 2e9, bits),
        variants_needing(name, 10**6, 5e7, bits),
    )


def tier_cases(name: str, fits: float, outside: float = 30.0) -> Cases:
    """Cases of bits at which weights and cache are as said of the memory, and others; open without
    a real model."""
    small = make_variant(name, None, parameters=10**7)
    return Cases(model_of_bits(name, fits), model_of_bits(name, outside), [small])


def of_math(large: float, items: int) -> list[Variant]:
    """A small model at 8 bits and one twice as large at 4, of about one size."""
    same = {"artifact_bytes": 1000}
    return [
        make_variant("Q8_0", 0.6, items, "small", 10**9, **same),  # type: ignore[arg-type]
        make_variant("Q4_K_M", large, items, "big", 2 * 10**9, **same),  # type: ignore[arg-type]
    ]


def levels(share: float, items: int) -> list[Variant]:
    return [make_variant("Q5_K_M", share, items), make_variant("Q4_K_M", 0.6, items)]


def class_at(quant: str, name: str, loss: float, items: int = MANY) -> list[Variant]:
    """One class at 16 bits, at Q5_K_M without a loss, and at a quant with one."""
    return [
        make_variant("F16", {name: BASE}, items),
        make_variant("Q5_K_M", {name: BASE}, items),
        make_variant(quant, {name: BASE * (1 - loss)}, items),
    ]


def letters(share: float, items: int) -> list[Variant]:
    return [make_variant("Q3_K_M", share, items), make_variant("Q3_K_S", 0.6, items)]


def on_card(rates: Mapping[str, Sequence[float]], **fields: object) -> list[Variant]:
    place = {"device_kind": "cuda", "hardware_class": "NVIDIA H100 80GB HBM3", **fields}
    return variants_at_rates(rates, **place)


def fp8(loss: float, rate: float, items: int) -> list[Variant]:
    """16 bits and FP8 on an H100, with tasks and rates."""
    timed = {v.quant: v for v in on_card({"F16": steady_rates(100), "fp8": steady_rates(rate)})}
    scored = {"F16": BASE, "fp8": BASE * (1 - loss)}
    return [
        make_variant(
            quant, scored[quant], items, decode=v.decode, device_kind=v.device_kind,
            hardware_class=v.hardware_class,
        )
        for quant, v in timed.items()
    ]  # fmt: skip


def long_cache(width: int, context: int = 131_072) -> list[Variant]:
    """A model of 8e9 parameters in 32 layers, 4.9 GB at Q4_K_M."""
    layers = (LayerState(key=width, value=width),) * 32
    return [
        make_variant("Q4_K_M", None, parameters=8 * 10**9, layers=layers, context_length=context)
    ]

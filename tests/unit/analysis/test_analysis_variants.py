"""From tables to variants."""

from datetime import UTC, datetime

import pytest
from analysis_cases import SIZES, Rows

from grid.analysis import Tables, by_hardware_class, retained_quality, variants, variants_table
from grid.errors import InputError


def full() -> Rows:
    """Three quants with speed on one box and quality on its device kind."""
    rows = Rows()
    for quant, seconds, right in (("F16", 2.0, 9), ("Q8_0", 1.0, 9), ("Q4_K_M", 0.5, 6)):
        rows.decode([seconds, seconds], quant=quant)
        rows.tasks("math", [1.0] * right + [0.0] * (12 - right), quant=quant)
        rows.quality({"F16": None, "Q8_0": 0.001, "Q4_K_M": 0.05}[quant], quant=quant)
    return rows


def by_quant(tables: Tables, **options):
    return {variant.quant: variant for variant in variants(tables, **options)}


def test_no_rows_give_no_variants():
    assert variants(Rows().tables()) == []


def test_a_variant_joins_speed_and_quality():
    variant = by_quant(full().tables())["Q8_0"]
    assert variant.decode_tps.value == 100.0
    assert variant.decode[0].rates.tolist() == [100.0, 100.0]
    assert variant.capability.value == pytest.approx((0.75 - 0.25) / 0.75)
    assert variant.kld_mean.value == 0.001
    assert variant.perplexity.value == 5.0
    assert (variant.artifact_bytes, variant.bpw_file) == (SIZES["Q8_0"], 8.5)


def test_what_was_not_measured_is_none():
    variant = by_quant(full().tables())["F16"]
    assert variant.kld_mean is None
    assert variant.peak_rss_bytes is None
    assert variant.prefill_tps is None
    assert variant.indistinguishable is None


def test_the_reference_of_quality_runs_is_the_16_bit_variant():
    assert {q: v.sixteen_bit for q, v in by_quant(full().tables()).items()} == {
        "F16": True,
        "Q8_0": False,
        "Q4_K_M": False,
    }


def test_without_quality_runs_the_quant_name_tells_16_bits():
    rows = Rows()
    rows.decode([1.0])
    rows.decode([1.0], quant="Q8_0")
    assert [v.quant for v in variants(rows.tables()) if v.sixteen_bit] == ["F16"]


def test_the_noise_floor_marks_what_is_indistinguishable_and_is_no_variant():
    rows = full()
    for kld in (0.002, 0.0005):
        rows.quality(kld, quant="F16", options='{"threads": 1}')
    by_name = by_quant(rows.tables())
    assert len(by_name) == 3
    assert by_name["Q8_0"].noise_floor_nat == 0.002
    assert by_name["Q8_0"].indistinguishable is True
    assert by_name["Q4_K_M"].indistinguishable is False
    assert by_name["F16"].kld_mean is None


def test_options_that_speed_was_measured_with_are_a_variant_and_no_floor():
    rows = full()
    rows.quality(0.3, quant="F16", options='{"kv": "q4_0"}')
    rows.decode([1.0], quant="F16", options='{"kv": "q4_0"}')
    f16 = [v for v in variants(rows.tables()) if v.quant == "F16"]
    assert sorted((v.options, v.noise_floor_nat) for v in f16) == [
        ('{"batch": 512, "threads": 2}', None),
        ('{"kv": "q4_0"}', None),
    ]


def test_the_reference_against_itself_is_not_called_indistinguishable():
    rows = full()
    rows.quality(0.0, quant="F16")
    rows.quality(0.002, quant="F16", options="{}")
    variant = by_quant(rows.tables())["F16"]
    assert (variant.kld_mean.value, variant.indistinguishable) == (0.0, None)


def test_perplexities_of_different_texts_are_never_compared():
    rows = full()
    rows.quality(0.5, text="other", perplexity=9.0, quant="Q8_0")
    rows.quality(0.1, text="other", quant="F16", options="{}")
    by_name = by_quant(rows.tables())
    assert (by_name["Q8_0"].perplexity.value, by_name["Q8_0"].kld_mean.value) == (5.0, 0.001)
    assert by_name["Q8_0"].noise_floor_nat is None


def test_the_floor_of_another_model_or_device_kind_does_not_count():
    rows = full()
    rows.quality(0.9, quant="F16", options="{}", device_kind="cuda-sm90")
    assert by_quant(rows.tables())["Q8_0"].noise_floor_nat is None


def test_quality_joins_every_hardware_class_of_its_device_kind():
    rows = full()
    rows.decode([0.1], quant="Q8_0", hardware_class="big box")
    rows.decode([0.1], quant="Q8_0", hardware_class="gpu", device_kind="cuda-sm90")
    by_class = {v.hardware_class: v for v in variants(rows.tables()) if v.quant == "Q8_0"}
    assert by_class["big box"].capability == by_class["box"].capability
    assert by_class["big box"].decode_tps.value == 1000.0
    assert by_class["gpu"].capability is None
    assert list(by_hardware_class(variants(rows.tables()))) == ["big box", "box", "gpu"]


def test_quality_of_the_same_options_goes_before_newer_of_others():
    rows = full()
    rows.quality(0.4, quant="Q8_0", options='{"kv": "q4_0"}')
    rows.decode([1.0], quant="Q8_0", options='{"kv": "q4_0"}')
    by_options = {v.options: v.kld_mean.value for v in variants(rows.tables()) if v.quant == "Q8_0"}
    assert by_options == {'{"batch": 512, "threads": 2}': 0.001, '{"kv": "q4_0"}': 0.4}


def test_options_written_in_another_order_are_the_same():
    rows = full()
    rows.decode([1.0], quant="Q8_0", options='{"batch": 512, "threads": 2}', depth=64)
    variant = by_quant(rows.tables())["Q8_0"]
    assert list(variant.decode) == [0, 64]


def test_quality_alone_makes_a_variant_on_the_class_it_ran_on():
    rows = Rows()
    rows.tasks("math", [1.0, 0.0, 1.0])
    (variant,) = variants(rows.tables())
    assert (variant.hardware_class, variant.decode_tps) == ("box", None)
    assert variant.capability is not None


def test_a_noise_run_without_any_noise_makes_no_second_16_bit_variant():
    rows = Rows()
    rows.tasks("math", [1.0, 0.0, 1.0])
    rows.quality(0.0)
    rows.quality(0.0, options='{"threads": 1}')
    assert len(variants(rows.tables())) == 1


def test_a_model_without_quality_runs_is_16_bit_by_name_beside_one_with_them():
    rows = full()
    rows.decode([1.0], model="other", artifact_id="other-F16")
    assert [v.model for v in variants(rows.tables()) if v.sixteen_bit] == ["base", "other"]


def test_failed_attempts_and_older_ones_of_a_cell_do_not_count():
    rows = Rows()
    rows.decode([1.0, 1.0], cell_id="same")
    rows.decode([2.0, 2.0], cell_id="same")
    rows.decode([4.0, 4.0], cell_id="same", status="timeout")
    (variant,) = variants(rows.tables())
    assert variant.decode_tps.value == 50.0


def test_a_newer_oom_takes_an_older_result_back():
    rows = Rows()
    rows.decode([1.0], cell_id="same")
    rows.decode([1.0], cell_id="same", status="oom")
    assert variants(rows.tables()) == []


def test_a_missing_class_leaves_no_capability_and_is_named():
    rows = full()
    rows.tasks("recall", [1.0] * 4, quant="F16")
    by_name = by_quant(rows.tables())
    assert by_name["Q8_0"].capability is None
    assert by_name["Q8_0"].missing == ("recall",)
    assert by_name["F16"].capability.value == pytest.approx((2 / 3 + 1) / 2)


def test_models_are_compared_on_the_classes_that_all_of_them_have():
    rows = full()
    rows.tasks("recall", [0.0] * 4, quant="F16")
    rows.tasks("recall", [0.0] * 4, quant="Q8_0")
    second_model = {"model": "other", "artifact_id": "other-F16", "quant": "F16"}
    rows.decode([1.0], **second_model)
    rows.tasks("math", [1.0] * 4, **second_model)
    group = variants(rows.tables())
    assert {tuple(variant.weights) for variant in group} == {("math",)}
    assert all(variant.capability is not None for variant in group)


def test_weights_change_the_composite_and_may_leave_classes_out():
    rows = full()
    rows.tasks("recall", [1.0] * 4, quant="F16")
    by_name = by_quant(rows.tables(), weights={"math": 1, "recall": 3})
    assert by_name["F16"].capability.value == pytest.approx(0.25 * 2 / 3 + 0.75)
    assert by_quant(rows.tables(), weights={"math": 1})["Q8_0"].capability is not None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"maths": 1}, "Did you mean 'math'"),
        ({"math": -1}, "unusable"),
        ({"math": float("nan")}, "unusable"),
        ({"math": 0}, "all class weights are 0"),
    ],
)
def test_negative_infinite_and_unknown_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        variants(full().tables(), weights=weights)


def run_on_text(rows: Rows, chunks: int, kld: float, day: int, version: str = "b1") -> None:
    rows.quality(
        [kld] * chunks,
        part_of=8,
        quant="Q8_0",
        engine_version=version,
        started_at=datetime(2026, 1, day, tzinfo=UTC),
        cell_id=f"{chunks} chunks",
    )


def kld_of(rows: Rows) -> float:
    rows.decode([1.0, 1.0], quant="Q8_0")
    return by_quant(rows.tables())["Q8_0"].kld_mean.value


def test_of_runs_of_one_length_the_newest_counts():
    rows = Rows()
    run_on_text(rows, 4, kld=0.1, day=2)
    run_on_text(rows, 4, kld=0.2, day=3)
    run_on_text(rows, 4, kld=0.3, day=1)
    assert kld_of(rows) == pytest.approx(0.2)


def test_of_runs_of_one_engine_the_longest_counts():
    rows = Rows()
    run_on_text(rows, 8, kld=0.1, day=1)
    run_on_text(rows, 4, kld=0.2, day=2)
    assert kld_of(rows) == pytest.approx(0.1)


def test_a_shorter_run_of_a_newer_engine_counts():
    rows = Rows()
    run_on_text(rows, 8, kld=0.1, day=1)
    run_on_text(rows, 4, kld=0.2, day=2, version="b2")
    assert kld_of(rows) == pytest.approx(0.2)


def test_memory_is_read_at_the_longest_context():
    rows = full()
    for context, peak in ((512, 1e6), (4096, 3e6), (1024, 2e6)):
        workload = {"type": "memory", "context": context}
        rows.attempt("memory", workload, metrics={"peak_rss_bytes": peak, "load_s": 0.5})
    variant = by_quant(rows.tables())["F16"]
    assert (variant.peak_rss_bytes.value, variant.memory_context) == (3e6, 4096)


def test_a_variant_drifts_where_any_of_its_rates_does():
    rows = full()
    rows.decode([1.0], depth=64, quant="Q8_0", metrics={"drift": 1.0})
    by_name = by_quant(rows.tables())
    assert (by_name["Q8_0"].drifts, by_name["F16"].drifts) == (True, False)


@pytest.mark.parametrize(("cache", "expected"), [("1000", 0.5), ("2000", None), ("0", None)])
def test_bandwidth_utilisation_is_null_for_weights_that_fit_the_cache(cache, expected):
    facts = {"bandwidth_bytes_s": str(100 * SIZES["Q4_K_M"] / 0.5), "llc_bytes": cache}
    rows = Rows()
    rows.decode([1.0], quant="Q4_K_M", environment=list(facts.items()))
    (variant,) = variants(rows.tables())
    assert variant.bandwidth_utilisation == (None if expected is None else pytest.approx(expected))


def test_retained_quality_is_over_the_common_items_of_one_model():
    rows = Rows()
    for quant, right in (("F16", 80), ("Q4_K_M", 50)):
        rows.tasks("math", [1.0] * right + [0.0] * (100 - right), quant=quant)
        rows.quality(None if quant == "F16" else 0.1, quant=quant)
    by_name = by_quant(rows.tables())
    retained = retained_quality(by_name["Q4_K_M"], list(by_name.values()), "math").share
    assert retained.value == pytest.approx((0.5 - 0.25) / (0.8 - 0.25))
    assert retained_quality(by_name["Q4_K_M"], [by_name["Q4_K_M"]], "math").share is None


def test_bang_per_bit_is_capability_per_gib():
    variant = by_quant(full().tables())["Q8_0"]
    assert variant.bang_per_bit == pytest.approx(variant.capability.value / (8_500 / 2**30))


def test_the_table_has_a_row_per_variant_and_null_for_the_unmeasured():
    rows = full()
    rows.decode([4.0], depth=64, quant="F16")
    table = variants_table(variants(rows.tables()))
    assert table.num_rows == 3
    assert table["quant"].to_pylist() == ["Q4_K_M", "Q8_0", "F16"]
    assert table["decode_tps_d64"].to_pylist() == [None, None, 25.0]
    assert table["capability_math"].null_count == 0
    assert table["peak_rss_bytes"].null_count == 3


def test_variants_do_not_depend_on_the_order_of_rows():
    tables = full().tables()
    turned = Tables(*(table.take(list(range(len(table)))[::-1]) for table in vars(tables).values()))
    assert variants_table(variants(turned)) == variants_table(variants(tables))


def test_an_imported_reference_of_the_same_name_takes_no_16_bits_away():
    rows = full()
    foreign = {"artifact_id": "theirs", "hardware_class": "box [tool]", "origin": "tool"}
    rows.attempt(
        "quality",
        {"type": "quality", "text_sha256": "u", "reference": "theirs"},
        metrics={"perplexity": 5.0, "kld_mean": 0.0},
        **foreign,
    )
    group = variants(rows.tables())
    assert {(v.origin, v.quant) for v in group if v.sixteen_bit} == {("", "F16"), ("tool", "F16")}
    assert {v.origin for v in group if v.kld_mean is not None} == {"", "tool"}


def test_unknown_model_facts_are_zero_or_empty():
    rows = Rows()
    rows.decode([1.0], parameters=None, family=None, quant="F16", artifact_bytes=None)
    (variant,) = variants(rows.tables())
    assert (variant.parameters, variant.family, variant.artifact_bytes) == (0, "", 0)
    assert variant.bang_per_bit is None


def test_a_variant_says_what_made_its_file():
    rows = Rows()
    rows.decode([1.0], quantizer="llama.cpp b1, imatrix of wiki")
    (variant,) = variants(rows.tables())
    assert variant.quantizer == "llama.cpp b1, imatrix of wiki"

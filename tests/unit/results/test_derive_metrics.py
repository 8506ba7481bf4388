"""From raw series to metrics, and the registry that names them."""

import math
from pathlib import Path

import pytest

from grid.cells.measurement import SCORED_CHUNKS, ItemResult, Measurement, Series
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, Tasks
from grid.results.derive import metrics_of
from grid.results.metrics import METRICS, document

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
QUALITY = Quality(text="t", text_sha256="x", context=8, chunks=2)


def measured(*series: Series, **fields) -> Measurement:
    return Measurement(cell_id="c", status="ok", series=series, **fields)


def by_name(kind, workload, measurement):
    return {metric.name: metric for metric in metrics_of(kind, workload, measurement)}


def test_metrics_document_is_up_to_date():
    assert DOCS.read_text(encoding="utf-8") == document()


def test_every_metric_has_a_unit_and_a_definition_of_one_line():
    for info in METRICS.values():
        assert info.unit
        assert info.definition
        assert "\n" not in info.definition
        assert "|" not in info.definition


def test_memory_scalars_stand_as_observed_and_absent_ones_give_no_metric():
    scalars = {"load_s": 1.5, "peak_rss_bytes": 4096.0, "compute_buffer_bytes": 1.0}
    metrics = by_name("memory", Memory(context=64), measured(scalars=scalars))
    assert {name: metric.value for name, metric in metrics.items()} == {
        "load_s": 1.5,
        "peak_rss_bytes": 4096.0,
    }
    assert metrics["peak_rss_bytes"].unit == "B"


def test_prefill_rate_is_tokens_over_seconds_whatever_the_depth():
    seconds = Series("prefill_s", "s", (0.5, 0.25))
    metrics = by_name("prefill", Prefill(tokens=512, depth=512), measured(seconds))
    assert metrics["prefill_tps"].value == (1024 + 2048) / 2
    assert metrics["prefill_tps"].unit == "token/s"
    assert metrics["prefill_tps_median"].value == 1536


def test_decode_tells_drift_and_outliers_and_drops_nothing():
    seconds = Series("decode_s", "s", (1.0, 1.1, 1.2, 1.3, 1.4))
    metrics = by_name("decode", Decode(tokens=128), measured(seconds))
    assert metrics["drift"].value == 1.0
    assert metrics["drift_change"].value < -0.2
    assert metrics["outliers"].value == 0.0
    assert metrics["decode_tps"].n == 5


def test_too_few_repetitions_for_a_trend_have_no_drift_metric():
    metrics = by_name("decode", Decode(tokens=8), measured(Series("decode_s", "s", (1.0, 1.1))))
    assert "drift" not in metrics


def test_a_repetition_without_duration_has_no_rate():
    metrics = by_name("decode", Decode(tokens=8), measured(Series("decode_s", "s", (0.0, 1.0))))
    assert metrics["decode_tps"].value is None
    assert metrics["decode_tps"].method == "a repetition took no measurable time"


def test_latency_gives_medians_and_percentiles_of_gaps():
    metrics = by_name(
        "latency",
        Latency(prompt=8, generate=3),
        measured(
            Series("ttft_s", "s", (0.1, 0.2, 0.4)),
            Series("tpot_s", "s", (0.01,)),
            Series("itl_s", "s", tuple(i / 1000 for i in range(1, 102))),
        ),
    )
    assert metrics["ttft_s"].value == 0.2
    assert (metrics["tpot_s"].value, metrics["tpot_s"].low) == (0.01, None)
    assert metrics["itl_p50_s"].value == pytest.approx(0.051)
    assert metrics["itl_p90_s"].value == pytest.approx(0.091)
    assert metrics["itl_p99_s"].high is None
    assert "e2e_s" not in metrics


def test_quality_without_a_reference_has_no_divergence():
    nll = Series("nll", "nat", (1.0, 3.0, 2.0, 2.0))
    scalars = {"chunks": 2.0, "scored_bytes": 8.0}
    metrics = by_name("quality", QUALITY, measured(nll, scalars=scalars))
    assert set(metrics) == {"perplexity", "nll_mean", "bits_per_byte"}
    assert metrics["perplexity"].value == pytest.approx(math.exp(2))
    assert metrics["bits_per_byte"].value == pytest.approx(1 / math.log(2))


def test_a_noise_run_that_ended_early_has_no_figure_of_the_whole_text():
    series = (Series("nll", "nat", (1.0, 3.0)), Series("kld", "nat", (0.0, 0.0)))
    scalars = {"chunks": 1.0, "scored_bytes": 8.0}
    early = measured(*series, scalars=scalars, environment={SCORED_CHUNKS: "1 of 2"})
    assert by_name("quality", QUALITY, early)["kld_mean"].value == 0.0
    whole = by_name("quality", QUALITY, measured(*series, scalars=scalars))
    left_out = set(whole) - set(by_name("quality", QUALITY, early))
    assert left_out == {"perplexity", "nll_mean", "bits_per_byte"}


def test_quality_with_a_reference_has_all_divergence_metrics():
    metrics = by_name(
        "quality",
        QUALITY,
        measured(
            Series("nll", "nat", (1.0, 3.0, 2.0, 2.0)),
            Series("nll_reference", "nat", (1.0, 2.0, 2.0, 2.0)),
            Series("kld", "nat", (0.0, 0.2, 0.1, 0.1)),
            Series("kld_reverse", "nat", (0.0, 0.4, 0.1, 0.3)),
            Series("top1_reference", "1", (0.95, 0.2, 0.3, 0.7)),
            Series("dp", "1", (0.0, -0.1, 0.0, 0.0)),
            Series("same_top", "1", (1.0, 0.0, 1.0, 1.0)),
            scalars={
                "chunks": 2.0,
                "scored_bytes": 8.0,
                "reference_tail_mass_max": 1e-6,
                "kld_sampling_se": 1e-5,
                "kld_gap_mean": 1e-7,  # of rows measured before draws
            },
        ),
    )
    quality = {name for name, info in METRICS.items() if info.group == "quality"}
    assert set(metrics) == quality
    assert metrics["kld_mean"].value == pytest.approx(0.1)
    assert metrics["kld_reverse_mean"].value == pytest.approx(0.2)
    assert metrics["kld_sampling_se"].value == 1e-5
    assert (metrics["kld_top1_below_25"].value, metrics["kld_top1_below_25"].n) == (0.2, 1)
    assert metrics["ln_ppl_ratio"].value == pytest.approx(0.25)
    assert metrics["same_top1"].value == 0.75
    assert metrics["dp_rms"].value == pytest.approx(0.05)


def test_series_that_cannot_be_cut_into_the_chunks_are_refused():
    nll = Series("nll", "nat", (1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="3 values of nll"):
        metrics_of("quality", QUALITY, measured(nll, scalars={"chunks": 2.0}))


def test_tasks_give_accuracy_chance_and_capability():
    items = tuple(
        ItemResult(
            task_class="math", item=str(i), score=float(i < 3), chance=0.25, chosen=0, answer=0,
            log_likelihoods=(),
        )
        for i in range(4)
    )  # fmt: skip
    workload = Tasks(task_class="math", source="s", items_sha256="x", limit=4)
    metrics = by_name("tasks", workload, measured(items=items))
    assert metrics["accuracy"].value == 0.75
    assert metrics["chance"].value == 0.25
    assert metrics["capability"].value == pytest.approx((0.75 - 0.25) / 0.75)


@pytest.mark.parametrize("status", ["error", "timeout", "oom", "unsupported", "skipped", "lost"])
def test_an_attempt_that_failed_has_no_metrics(status):
    measurement = Measurement(cell_id="c", status=status, scalars={"load_s": 1.0})
    assert metrics_of("memory", Memory(context=1), measurement) == []


def test_metrics_of_an_unknown_workload_kind_raise():
    with pytest.raises(ValueError, match="'energy'"):
        metrics_of("energy", Memory(context=1), measured())

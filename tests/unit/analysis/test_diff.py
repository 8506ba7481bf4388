"""`grid diff`: pairs, changes with their intervals, verdicts and thresholds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from advice_cases import write_store
from analysis_cases import Rows

from grid.analysis.diff import Difference, compare_sides, open_sides, parse_threshold
from grid.analysis.diff.difference import NO_DIFFERENCE, FigureFamily
from grid.analysis.diff.thresholds import check
from grid.errors import InputError
from grid.results.statistics import Interval, queue_quantile

SECONDS = [1.0, 1.01, 0.99, 1.0, 1.02]


def rows(factor: float = 1.0, cells: int = 1, **fields: object) -> Rows:
    """Decode cells whose times are `factor` of those of another side."""
    store = Rows()
    for cell in range(cells):
        seconds = [value * factor for value in SECONDS]
        store.decode(seconds, depth=512 * cell, label=f"tg100 @ d{512 * cell}", **fields)
    return store


def compare(tmp_path: Path, first: Rows, second: Rows, **options: object) -> Difference:
    for name, side in (("a", first), ("b", second)):
        for number, row in enumerate(side.rows["attempts"]):
            old = row["attempt_id"]
            row["attempt_id"] = f"{name}{number:04}"
            for table in ("metrics", "samples", "items"):
                for child in side.rows[table]:
                    if child["attempt_id"] == old:
                        child["attempt_id"] = row["attempt_id"]
        write_store(side, tmp_path / name)
    sides = open_sides(str(tmp_path / "a"), str(tmp_path / "b"))
    return compare_sides(*sides, **options)  # type: ignore[arg-type]


def family(difference: Difference, name: str) -> FigureFamily:
    return next(family for family in difference.families if family.kind.name == name)


def test_equal_rates_show_no_difference(tmp_path: Path) -> None:
    decode = family(compare(tmp_path, rows(cells=4), rows(cells=4)), "decode_tps")
    assert decode.verdict == NO_DIFFERENCE
    assert {figure.verdict for figure in decode.figures} == {NO_DIFFERENCE}
    assert decode.summary is not None
    assert decode.summary.value == pytest.approx(0)


def test_a_third_more_time_is_a_quarter_less_rate(tmp_path: Path) -> None:
    decode = family(compare(tmp_path, rows(), rows(4 / 3)), "decode_tps")
    assert decode.verdict == "slower"
    assert decode.summary is not None
    assert decode.summary.value == pytest.approx(-0.25)
    assert decode.summary.low is not None
    assert decode.summary.low < -0.25


def test_a_small_change_of_one_run_is_not_told(tmp_path: Path) -> None:
    decode = family(compare(tmp_path, rows(), rows(1.03)), "decode_tps")
    assert decode.verdict == NO_DIFFERENCE


def test_disturbed_rows_are_named_and_never_decide(tmp_path: Path) -> None:
    disturbed = rows(2.0, environment=[("disturbed", "5 of 5 repetitions were disturbed: busy")])
    difference = compare(tmp_path, rows(), disturbed)
    decode = family(difference, "decode_tps")
    (figure,) = decode.figures
    assert (decode.summary, decode.cells, figure.verdict) == (None, 0, NO_DIFFERENCE)
    assert figure.note == "disturbed in B"
    assert figure.disturbed == ("B: 5 of 5 repetitions were disturbed: busy",)
    outcome = check(parse_threshold("slower:5%"), difference)
    assert (outcome.beyond, outcome.looked_at) == ([], 0)


def test_a_threshold_fails_only_where_the_whole_interval_is_beyond(tmp_path: Path) -> None:
    difference = compare(tmp_path, rows(), rows(1.15))  # 13 % slower, about 5 % either way
    assert check(parse_threshold("slower:5%"), difference).beyond
    assert check(parse_threshold("slower:12%"), difference).unsure
    within = check(parse_threshold("slower:30%"), difference)
    assert (within.beyond, within.unsure, within.looked_at) == ([], [], 1)


@pytest.mark.parametrize("text", ["slower", "slower:x%", "hotter:5%", "slower:-5%", "slower:100%"])
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--fail-on"):
        parse_threshold(text)


def test_items_are_paired_by_their_id(tmp_path: Path) -> None:
    scores = np.arange(200) % 2
    worse = np.where(np.arange(200) < 40, 0, scores)
    first, second = Rows(), Rows()
    first.tasks("math", scores.tolist(), label="task math")
    second.tasks("math", worse.tolist(), label="task math")
    accuracy = family(compare(tmp_path, first, second), "accuracy")
    assert accuracy.verdict == "worse"
    assert accuracy.summary is not None
    assert accuracy.summary.value == pytest.approx(-0.1)


def test_few_items_that_turn_are_no_difference(tmp_path: Path) -> None:
    scores = [1.0] * 50
    first, second = Rows(), Rows()
    first.tasks("math", scores)
    second.tasks("math", [0.0] * 5 + scores[5:])  # exact McNemar p = 0.0625
    assert family(compare(tmp_path, first, second), "accuracy").verdict == NO_DIFFERENCE


def test_bytes_of_weights_are_exact(tmp_path: Path) -> None:
    difference = compare(tmp_path, rows(), rows(artifact_bytes=17_600))
    size = family(difference, "artifact_bytes")
    assert size.verdict == "larger"
    assert size.summary is not None
    assert size.summary.low == size.summary.high == pytest.approx(0.1)


def test_quality_of_another_arithmetic_is_not_paired(tmp_path: Path) -> None:
    first, second = Rows(), Rows()
    first.tasks("math", [1.0, 0.0], cell_id="x")
    second.tasks("math", [1.0, 0.0], cell_id="y", device_kind="cuda")
    difference = compare(tmp_path, first, second)
    assert difference.pairs == 0
    assert {cell.reason for cell in difference.unpaired} == {
        "other numerics kind: cpu-avx2 / cuda",
        "other numerics kind: cuda / cpu-avx2",
    }


def test_quants_of_a_store_are_sides(tmp_path: Path) -> None:
    store = Rows()
    store.decode(SECONDS, quant="Q8_0")
    store.decode([value / 2 for value in SECONDS], quant="Q2_K")
    write_store(store, tmp_path)
    sides = open_sides("quant:q8_0", "quant:Q2_K", store=tmp_path)
    difference = compare_sides(*sides)
    assert family(difference, "decode_tps").verdict == "faster"
    assert family(difference, "artifact_bytes").verdict == "smaller"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("quant:Q8_0", "quant:nothing", "no quant 'nothing'"),
        ("quant:Q8_0", "quant:Q8_0", "same rows"),
        ("quant:Q8_0", "backend:llamacpp", "two sides of one kind"),
        ("quant:", "quant:Q8_0", "names no quant"),
        ("qaunt:Q8_0", "quant:Q8_0", "Did you mean 'quant'"),
        ("", "", "give two sides"),
        ("nowhere", "elsewhere", "no results in nowhere"),
    ],
)
def test_sides_of_nothing_are_refused(
    tmp_path: Path, first: str, second: str, message: str
) -> None:
    store = Rows()
    store.decode(SECONDS, quant="Q8_0")
    write_store(store, tmp_path)
    with pytest.raises(InputError, match=message):
        open_sides(first, second, store=tmp_path)


def test_the_two_newest_sweeps_are_compared(tmp_path: Path) -> None:
    store = Rows()
    for number, factor in enumerate((5.0, 1.0, 2.0)):
        store.decode(
            [value * factor for value in SECONDS], sweep_id=f"run{number}", sweep="nightly",
            cell_id="same",
        )  # fmt: skip
    write_store(store, tmp_path)
    sides = open_sides("", "", store=tmp_path, by=["sweep"])
    assert [side.name for side in sides] == ["sweep run1", "sweep run2"]
    decode = family(compare_sides(*sides), "decode_tps")
    assert decode.summary is not None
    assert decode.summary.value == pytest.approx(-0.5)


def loads(factor: float = 1.0, requests: int = 600, rate: float | None = 4.0) -> Rows:
    """A server under load whose times are `factor` of those of another side."""
    store = Rows()
    seconds = factor * (0.1 + 0.02 * np.random.default_rng(1).random(requests))
    store.attempt(
        "load", {"type": "load", "arrivals": "poisson", "rate": 4.0}, series={"ttft_s": seconds}
    )
    figures = {
        "ttft_s": queue_quantile(seconds, 0.5),
        "ttft_p99_s": queue_quantile(seconds, 0.99),
        "goodput": Interval(3.0 / factor),
        "slo_share": Interval(0.75 / factor, 0.73 / factor, 0.77 / factor),
    }
    if rate is not None:
        figures["slo_request_rate"] = Interval(rate / factor, 0.98 * rate / factor, rate / factor)
    else:
        figures["slo_request_rate"] = Interval(4.0, 4.0)
    ids = {name: store.rows["attempts"][-1][name] for name in ("attempt_id", "cell_id")}
    for name, x in figures.items():
        metric = {"name": name, "value": x.value, "low": x.low, "high": x.high, "n": requests}
        store.rows["metrics"].append({**ids, **metric, "unit": "", "method": x.method})
    return store


def test_loads_are_compared_in_the_direction_of_each_figure(tmp_path: Path) -> None:
    difference = compare(tmp_path, loads(), loads(1.25))
    verdicts = {name: family(difference, name) for name in ("load_ttft_s", "load_goodput")}
    verdicts["rate"] = family(difference, "load_slo_request_rate")
    assert {of.verdict for of in verdicts.values()} == {"slower"}
    assert verdicts["load_ttft_s"].figures[0].change.value == pytest.approx(0.25)
    assert verdicts["rate"].figures[0].change.value == pytest.approx(-0.2)
    outcome = check(parse_threshold("slower:5%"), difference)
    assert any("largest rate within limits" in name for name in outcome.beyond)


def test_equal_loads_tell_no_difference(tmp_path: Path) -> None:
    difference = compare(tmp_path, loads(), loads())
    assert {of.verdict for of in difference.families if of.kind.name != "artifact_bytes"} == {
        NO_DIFFERENCE
    }


def test_a_percentile_of_few_requests_and_a_rate_without_a_bound_decide_nothing(
    tmp_path: Path,
) -> None:
    difference = compare(tmp_path, loads(rate=None), loads(2.0, rate=None))
    tail, rate = (family(difference, f"load_{n}") for n in ("ttft_p99_s", "slo_request_rate"))
    assert (tail.cells, tail.figures[0].note) == (0, "too few requests")
    assert (rate.cells, rate.figures[0].note) == (0, "no rate was too much")
    assert tail.figures[0].change.value == pytest.approx(1.0)

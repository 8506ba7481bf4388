"""SQL, tables and exports over a store."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from results_cells import NODE, cell, measurement_of

from grid.cells.measurement import Metric
from grid.errors import InputError
from grid.results import open_store
from grid.results.export import export, markdown, table
from grid.results.reader import Results
from grid.results.store import Store

RATES = {"Q2_K": 30.0, "Q4_K_M": 20.0, "Q8_0": 10.0}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Three quants measured; the fourth was out of memory."""
    with Store(tmp_path / "store").writer() as writer:
        for quant, rate in RATES.items():
            metrics = [
                Metric(name="decode_tps", value=rate, unit="token/s", low=rate - 1, high=rate + 1),
                Metric(name="kld_mean", value=None, unit="nat"),
            ]
            planned = cell(quant)
            writer.add(
                planned, measurement_of(planned), metrics, node=NODE, sweep_id="s", sweep="q"
            )
        planned = cell("F16")
        writer.add(planned, measurement_of(planned, "oom"), node=NODE, sweep_id="s", sweep="q")
    return open_store(tmp_path / "store")


def test_sql_sees_the_tables_and_their_join(results: Results) -> None:
    answer = results.query("SELECT quant, value FROM results WHERE name = 'decode_tps' ORDER BY 1")
    assert answer.to_pylist() == [{"quant": q, "value": r} for q, r in RATES.items()]


@pytest.mark.parametrize("view", ["attempts", "metrics", "samples", "items", "final", "wide"])
def test_every_view_can_be_counted(results: Results, view: str) -> None:
    (row,) = results.query(f"SELECT count(*) AS n FROM {view}").to_pylist()
    assert row["n"] == getattr(results, view)().num_rows > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY attempts TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_sql_reaches_no_file_and_no_network(
    results: Results, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="SQL: "):
        results.query(sql)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_sql_that_is_wrong_is_one_line(results: Results) -> None:
    with pytest.raises(InputError, match=r"no table 'atempts'\. Did you mean 'attempts'\?"):
        results.query("SELECT * FROM atempts")
    with pytest.raises(InputError) as wrong:
        results.query("SELEC 1")
    assert "\n" not in str(wrong.value)


def test_the_wide_table_has_a_column_a_metric_and_null_where_absent(results: Results) -> None:
    rows = {row["quant"]: row for row in results.wide().to_pylist()}
    assert [rows["Q2_K"][n] for n in ("decode_tps", "decode_tps_low", "decode_tps_high")] == [
        30.0,
        29.0,
        31.0,
    ]
    assert rows["Q2_K"]["kld_mean"] is None
    assert rows["F16"]["decode_tps"] is None
    assert "kld_mean_low" not in rows["F16"]


def test_a_metric_named_like_a_field_of_attempts_hides_nothing(tmp_path: Path) -> None:
    same = Metric(name="Artifact_Bytes", value=5.0, unit="bytes")
    with Store(tmp_path).writer() as writer:
        writer.add(cell(), measurement_of(cell()), [same], node=NODE, sweep_id="s", sweep="q")
    (row,) = open_store(tmp_path).wide().to_pylist()
    assert (row["artifact_bytes"], row["Artifact_Bytes_metric"]) == (900_000, 5.0)


def test_of_two_metrics_of_one_name_the_first_stays(tmp_path: Path) -> None:
    twice = [Metric(name="ppl", value=value, unit="1") for value in (7.0, 8.0)]
    with Store(tmp_path).writer() as writer:
        writer.add(cell(), measurement_of(cell()), twice, node=NODE, sweep_id="s", sweep="q")
    assert open_store(tmp_path).wide()["ppl"].to_pylist() == [7.0]


def test_table_has_attempt_columns_and_metrics(results: Results) -> None:
    rows = table(results, sort="-decode_tps")
    assert rows.column_names == [
        "model", "quant", "backend", "label", "scope", "status", "decode_tps",
    ]  # fmt: skip
    assert rows["quant"].to_pylist() == ["Q2_K", "Q4_K_M", "Q8_0", "F16"]


def test_table_is_filtered_and_limited_with_chosen_columns(results: Results) -> None:
    rows = table(results, "decode_tps < 25", ["quant", "decode_tps"], "-quant", 1)
    assert rows.to_pylist() == [{"quant": "Q8_0", "decode_tps": 10.0}]


def test_table_order_is_fixed_without_sort(results: Results) -> None:
    assert table(results)["quant"].to_pylist() == ["F16", "Q2_K", "Q4_K_M", "Q8_0"]


@pytest.mark.parametrize(
    ("where", "columns", "sort", "line"),
    [
        (
            "quan = 'x'",
            None,
            None,
            "the condition \"quan = 'x'\": no column 'quan'. Did you mean 'quant'?",
        ),
        (None, ["decode_tp"], None, "no column 'decode_tp'. Did you mean 'decode_tps'?"),
        (None, None, "-sttus", "no column 'sttus'. Did you mean 'status'?"),
        ("quant = ", None, None, "the condition 'quant = ': it cannot be read near '='"),
        ("quant", None, None, "the condition 'quant'"),
        ("quant = Q4_K_M", None, None, "no column 'Q4_K_M'; a text needs quotes"),
        ("decode_tps > 'fast'", None, None, "'fast' is no number; write for example"),
        ("quant + 1 > 2", None, None, "a text, a number and a map do not go together"),
        ("'", None, None, "a quote is not closed"),
        ("1=1) UNION SELECT 1 --", None, None, "it cannot be read near"),
        ("decode_tps > 1; SELECT 1", None, None, "the condition"),
    ],
)
def test_a_wrong_filter_or_column_gives_one_line_of_error(
    results: Results, where: str | None, columns: list[str] | None, sort: str | None, line: str
) -> None:
    with pytest.raises(InputError) as wrong:
        table(results, where, columns, sort)
    assert line in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_csv_has_every_column_and_leaves_absent_values_empty(
    results: Results, tmp_path: Path
) -> None:
    assert export(results, tmp_path / "out.csv", "csv") == 4
    back = csv.read_csv(tmp_path / "out.csv")
    assert back.column_names == results.wide().column_names
    rates = dict(zip(back["quant"].to_pylist(), back["decode_tps"].to_pylist(), strict=True))
    assert rates == {**RATES, "F16": None}
    assert set(back["environment"].to_pylist()) == {'{"python":"3.11"}'}


def test_json_is_a_list_of_objects_with_nulls(results: Results, tmp_path: Path) -> None:
    export(results, tmp_path / "out.json", "json", "status = 'oom'", ["quant", "decode_tps"])
    assert json.loads((tmp_path / "out.json").read_text()) == [{"quant": "F16", "decode_tps": None}]


def test_times_are_iso_8601_in_json(results: Results, tmp_path: Path) -> None:
    export(results, tmp_path / "out.json", "json", "quant = 'F16'", ["started_at"])
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert row == {"started_at": "2027-01-15T08:00:00.000000Z"}


def test_json_of_a_figure_that_is_no_number_is_null(tmp_path: Path) -> None:
    bad = Metric(name="ppl", value=float("nan"), unit="1")
    with Store(tmp_path / "s").writer() as writer:
        writer.add(cell(), measurement_of(cell()), [bad], node=NODE, sweep_id="s", sweep="q")
    export(open_store(tmp_path / "s"), tmp_path / "out.json", "json", None, ["ppl"])
    assert json.loads((tmp_path / "out.json").read_text()) == [{"ppl": None}]


def test_parquet_keeps_types(results: Results, tmp_path: Path) -> None:
    export(results, tmp_path / "out.parquet", "parquet")
    back = parquet.read_table(tmp_path / "out.parquet")
    assert back.num_rows == 4
    assert back.schema.field("started_at").type == pa.timestamp("us", "UTC")
    assert pa.types.is_map(back.schema.field("environment").type)


def test_markdown_goes_to_standard_output(
    results: Results, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    export(results, None, "md", "quant = 'Q2_K'", ["quant", "decode_tps", "kld_mean"])
    assert capfdbinary.readouterr().out == (
        b"| quant | decode_tps | kld_mean |\n| --- | --- | --- |\n| Q2_K | 30 |  |\n"
    )


def test_markdown_survives_bars_and_line_breaks_in_names() -> None:
    assert markdown(pa.table({"a|b": ["x\n|y"]})).splitlines()[0::2] == [
        "| a\\|b |",
        "| x\\\\n\\|y |",
    ]


def test_an_export_that_cannot_be_written_is_one_line(results: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*no/out\.csv"):
        export(results, tmp_path / "no" / "out.csv", "csv")


def test_an_unknown_format_names_the_nearest(results: Results) -> None:
    with pytest.raises(InputError, match=r"no export format 'parket'\. Did you mean 'parquet'\?"):
        export(results, None, "parket")


def test_exporting_nothing_gives_a_header(tmp_path: Path) -> None:
    export(open_store(tmp_path / "none"), tmp_path / "out.csv", "csv", None, ["quant"])
    assert (tmp_path / "out.csv").read_text() == '"quant"\n'

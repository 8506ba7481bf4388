"""`grid predict` in the terminal and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grid.cli.views.predict import PredictArgs, list_chips, parse_count, show_prediction
from grid.errors import InputError


def test_the_table_says_predicted_with_interval_error_and_basis(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show_prediction(PredictArgs("4090", ("Q4_0", "Q8_0"), "7B"), str(tmp_path))
    out = capsys.readouterr().out
    assert out.startswith("predicted for NVIDIA GeForce RTX 4090 (cuda, 1008 GB/s, 24 GiB)")
    assert "Q4_0" in out
    assert "Q8_0" in out
    assert "decode is predicted: from" in out
    assert "with a class or its source left out" in out
    assert "should hold the rate in 90% of cases" in out


def test_json_holds_what_the_table_shows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show_prediction(PredictArgs("m3 max 40", ("Q4_0",), "7B"), str(tmp_path), as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["predicted"] is True
    assert data["chip"]["name"] == "Apple M3 Max (40)"
    decode = data["rows"][0]["decode_tps"]
    assert 40 < decode["low"] < decode["value"] < decode["high"] < 100
    assert decode["level"] == 0.9
    assert 0.05 < decode["leave_one_out_median_error"] < 0.2
    assert decode["leave_one_out_split"] == "dense models of 4B to 14B in llamacpp on metal"
    assert decode["basis"].startswith("predicted: ")


def test_size_in_bytes_replaces_the_parameter_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    args = PredictArgs("4090", ("Q4_K_M",), size="4.9GB")
    show_prediction(args, str(tmp_path), as_json=True)
    assert json.loads(capsys.readouterr().out)["rows"][0]["read_bytes"] == 4.9e9


def test_a_model_by_name_gives_its_size_at_each_quant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    args = PredictArgs("4090", ("Q4_K_M", "Q8_0"), model="Llama-3.1-8B")
    show_prediction(args, str(tmp_path), as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["model"] == "Llama-3.1-8B"
    small, large = data["rows"]
    assert (small["quant"], large["quant"]) == ("Q4_K_M", "Q8_0")
    assert small["parameters"] == pytest.approx(8.03e9, rel=0.01)
    assert small["total_parameters"] == small["parameters"]  # no mixture
    assert 4e9 < small["read_bytes"] < 5.2e9 < 7.5e9 < large["read_bytes"] < 8.8e9


def test_a_models_size_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--params and --model each give the model's size"):
        show_prediction(PredictArgs("4090", params="8B", model="Llama-3.1-8B"), str(tmp_path))


def test_parameters_of_a_mixture_say_what_a_token_uses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    args = PredictArgs("4090", ("Q4_K_M",), params="30B-A3B")
    show_prediction(args, str(tmp_path), as_json=True)
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert (row["parameters"], row["total_parameters"]) == (3e9, 30e9)
    assert row["read_bytes"] == pytest.approx(3e9 * 4.87 / 8)
    assert row["decode_tps"]["leave_one_out_split"].startswith("mixtures of experts")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (PredictArgs(None), "--chip"),
        (PredictArgs("rtx 4091"), "Did you mean"),
        (PredictArgs("4090", params="many"), "not a number of weights"),
        (PredictArgs("4090", params="0B"), "not a number of weights"),
        (PredictArgs("4090", size="0"), "--bytes"),
        (PredictArgs("4090", size="-4GB"), "not a size"),
        (PredictArgs("4090", params="7B", size="4GB"), "one of them"),
    ],
)
def test_wrong_predict_option_is_one_line(args: PredictArgs, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        show_prediction(args, str(tmp_path))
    assert "\n" not in str(caught.value)


def test_parse_count_reads_units() -> None:
    assert [parse_count(text) for text in ("8B", "1.5b", "350M", "1000")] == [
        8e9,
        1.5e9,
        3.5e8,
        1e3,
    ]


def test_chips_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    list_chips("m4 max")
    out = capsys.readouterr().out
    assert "Apple M4 Max (32)" in out
    assert "546" in out
    with pytest.raises(InputError, match="no chip has 'no such thing' in its name"):
        list_chips("no such thing")

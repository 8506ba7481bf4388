"""`grid folklore`: what it prints, what it gives machines, what it says of bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import typer

from grid.advice.folklore import RULES
from grid.cli.folklore import register
from grid.errors import InputError
from grid.results.imports import published_store

ROWS = Path(__file__).parents[2] / "data" / "results-v1"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Rows of version 1, as they are kept for the tests of migrations."""
    return str(shutil.copytree(ROWS, tmp_path / "rows"))


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    return published_store()


def folklore(*arguments: str) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    app(args=["folklore", *arguments], standalone_mode=False)


def test_json_has_every_rule_with_a_finding_for_each_class(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", store, "--json")
    judgements = json.loads(capsys.readouterr().out)
    assert [judgement["id"] for judgement in judgements] == [rule.id for rule in RULES]
    assert {judgement["source"] for judgement in judgements} == {"common rule"}
    classes = {
        tuple(f["hardware_class"] for f in judgement["findings"]) for judgement in judgements
    }
    assert len(classes) == 1
    assert all(
        f["why"] and f["origin"] == "" for judgement in judgements for f in judgement["findings"]
    )


def test_printed_counts_are_those_of_the_verdicts(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", store, "--json")
    verdicts = [judgement["verdict"] for judgement in json.loads(capsys.readouterr().out)]
    folklore("--store", store, "--all")
    out = capsys.readouterr().out
    assert (
        f"{len(RULES)} common rules: {verdicts.count('holds')} hold, "
        f"{verdicts.count('contradicted')} contradicted, "
        f"{verdicts.count('not enough data')} not enough data"
    ) in out
    assert all(rule.text in " ".join(out.split()) for rule in RULES)


def test_named_rule_is_printed_at_length(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    folklore("--store", store, "--rule", "size-formula")
    out = " ".join(capsys.readouterr().out.split())
    assert "file size = parameters x bits / 8" in out
    assert "judged by: within 10 %, with the bits that guides state" in out
    assert "measured by: grid sweep FILE, with the model and quants" in out
    assert "source: common rule" in out
    assert "never use Q2_K" not in out


def test_published_figures_are_marked_as_third_party(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", published, "--all")
    out = " ".join(capsys.readouterr().out.split())
    assert "verdicts by third-party figures alone" in out
    assert re.search(r"\[\d+, third-party\] Llama-3-8B Q5_0 minus Llama-3-8B Q5_K_M: KLD", out)


def test_published_figures_give_the_known_answers(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Llama-3.1-8B on one GPU: 50.93 over 29.17 token/s is 1.75; 70B at 4.5 to 4.89 bits is 39 to
    43 GB, which no Mac of 48 GB lets its GPU have."""
    folklore("--store", published, "--json")
    by_id = {judgement["id"]: judgement for judgement in json.loads(capsys.readouterr().out)}
    assert by_id["speed-q8_0"]["verdict"] == "contradicted"
    numbers = {
        name: value
        for finding in by_id["speed-q8_0"]["findings"]
        for name, value in finding["numbers"].items()
    }
    assert numbers["Llama-3.1-8B Q8_0 over F16"] == pytest.approx(50.93 / 29.17, rel=0.01)
    assert by_id["size-128-70b-q4_k_m"]["verdict"] == "holds"
    assert by_id["size-128-405b-q2_k"]["verdict"] == "contradicted"
    assert by_id["mac-48"]["verdict"] == "contradicted"
    assert by_id["card-24"]["verdict"] == "holds"
    assert by_id["awq-gptq"]["verdict"] == "not enough data"
    (awq,) = [f for f in by_id["awq-gptq"]["findings"] if "derekl35" in f["origin"]]
    assert awq["why"].startswith("AWQ and GPTQ have rows, but no capability: the chance level")


def test_licence_is_printed_beside_the_origin(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", published, "--all")
    out = " ".join(capsys.readouterr().out.split())
    assert "third-party: mlx-lm mlx_lm/BENCHMARKS.md, licence MIT (mlx-lm)" in out
    folklore("--store", published, "--rule", "k-legacy")
    out = " ".join(capsys.readouterr().out.split())
    assert "(third-party: llama.cpp tools/perplexity/README.md, licence MIT (llama.cpp))" in out
    folklore("--store", published, "--json")
    findings = [
        f for judgement in json.loads(capsys.readouterr().out) for f in judgement["findings"]
    ]
    assert {f["licence"] for f in findings} == {"MIT (llama.cpp)", "MIT (mlx-lm)", "not stated"}


def test_rule_with_rows_but_no_figure_is_not_listed_as_missing(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", published, "--all")
    with_rows, _, missing = " ".join(capsys.readouterr().out.split()).partition("no rows for these")
    assert "AWQ and GPTQ have rows, but no capability" in with_rows
    assert "AWQ beats GPTQ" not in missing


def test_part_of_a_name_selects_the_hardware_class(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folklore("--store", published, "--hardware", "m4 max", "--json")
    judgements = json.loads(capsys.readouterr().out)
    assert {f["hardware_class"] for judgement in judgements for f in judgement["findings"]} == {
        "Apple M4 Max 64 GB [mlx-lm mlx_lm/BENCHMARKS.md]"
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rule", "clif"), "no rule 'clif'. Did you mean 'cliff'?"),
        (("--hardware", "pdp-11"), "no hardware class 'pdp-11'"),
    ],
)
def test_unknown_rule_or_class_is_one_line(
    store: str, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as error:
        folklore("--store", store, *arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_empty_store_names_the_command_that_fills_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`grid sweep` fills it"):
        folklore("--store", str(tmp_path))


def test_a_first_screen_has_a_line_for_each_claim_that_rows_decide(
    published: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folklore("--store", published, "--hardware", "4090", "--json")
    judgements = json.loads(capsys.readouterr().out)
    decided = {
        judgement["id"]
        for judgement in judgements
        for finding in judgement["findings"]
        if judgement["verdict"] != "not enough data"
        and finding["verdict"] == judgement["verdict"]
        and not finding["arithmetic"]
    }
    folklore("--store", published, "--hardware", "4090")
    lines = capsys.readouterr().out.splitlines()
    assert decided
    assert {rule.id for rule in RULES if any(line.endswith(f" {rule.id}") for line in lines)} == (
        decided
    )
    assert len(lines) <= 40


def test_a_model_is_judged_alone(published: str, capsys: pytest.CaptureFixture[str]) -> None:
    folklore("--store", published, "--model", "Llama-3.1-8B", "--json")
    numbers = {
        name
        for judgement in json.loads(capsys.readouterr().out)
        for finding in judgement["findings"]
        for name in finding["numbers"]
        if not finding["arithmetic"]
    }
    assert any("Llama-3.1-8B" in name for name in numbers)
    assert not any("Qwen" in name for name in numbers)
    with pytest.raises(InputError, match=r"no model 'Lama-3\.1-8B'"):
        folklore("--store", published, "--model", "Lama-3.1-8B")

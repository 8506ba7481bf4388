"""`grid recommend` the other way round, as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, family, write_store
from typer.testing import CliRunner

from grid.cli import command_line
from grid.errors import InputError


def run(*words: str) -> str:
    result = CliRunner().invoke(command_line, ("recommend", *words))
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_data_name_the_machine_the_need_and_the_rate(tmp_path: Path) -> None:
    write_store(family(), tmp_path / "store")
    words = ("--store", str(tmp_path / "store"), "--hardware", OWN_CLASS, "--quant", "Q8_0")
    data = json.loads(run("--for", "base", *words, "--json"))
    assert data["model"]["quant"] == "Q8_0"
    (machine,) = data["runs_it"]
    assert machine["hardware_class"] == OWN_CLASS
    assert machine["decode_tps"]["evidence"]["kind"] == "measured here"
    assert data["need"]["bytes"] < machine["budget_bytes"]


def test_no_store_is_needed() -> None:
    data = json.loads(run("--for", "8B", "--chip", "RTX 3090", "--store", "none", "--json"))
    assert data["answer"].endswith("NVIDIA GeForce RTX 3090 runs it")


def test_memory_smaller_than_the_weights_is_one_line() -> None:
    text = run("--for", "8B", "--memory", "2GB", "--bandwidth", "100GB/s", "--store", "none")
    assert "2 GiB RAM, 100 GB/s does not hold it" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--for", "8B", "--use", "math"),
            "--for asks about memory and rate alone; leave out --use",
        ),
        (
            ("--for", "8B", "--max-ttft", "2s", "--max-size", "8GB"),
            "--for asks about memory and rate alone; leave out --max-size, --max-ttft",
        ),
        (
            ("--rack", "store", "--chip", "RTX 3090"),
            "--rack names the machines itself; leave out --chip",
        ),
        (("--for", "8B", "--quant", "foo"), "no quant is called 'foo'"),
        (("--for", "Lama-3.1-8B"), "no model 'Lama-3.1-8B' is known. Nearest: Llama-3.1-8B"),
    ],
)
def test_what_a_question_does_not_take_is_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        run(*words, "--store", "none")
    assert message in str(error.value)
    assert "\n" not in str(error.value)

"""`grid compare` through the command line, in the fake engine and in llama.cpp."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grid_fake
import pytest
from fake_sweep import Run
from real_models import smollm2

PROMPT = "The cat sat on"


def compared(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What `--json` ends with."""
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "compared", done.stderr
    return last


def by_quant(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {output["quant"]: output for output in comparison["outputs"]}


def compare(grid: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return grid("compare", *arguments, "--prompt", PROMPT, "--tokens", "24", "--json")


def test_each_output_has_its_first_difference_from_16_bits(toy: Path, grid: Run) -> None:
    done = compare(grid, "toy.toml", "--quants", "Q2,Q8,F16")
    assert done.returncode == 0, done.stderr
    comparison = compared(done)
    assert [output["quant"] for output in comparison["outputs"]] == ["F16", "Q2", "Q8"]
    outputs = by_quant(comparison)
    assert outputs["F16"]["is_reference"]
    assert outputs["F16"]["prompt_tokens"] == len(PROMPT) + 1
    for quant in ("Q2", "Q8"):
        mine, whole = outputs[quant]["tokens"], outputs["F16"]["tokens"]
        differing = [i for i, (a, b) in enumerate(zip(mine, whole, strict=False)) if a != b]
        parts = outputs[quant]["parts"]
        if parts is None:
            assert mine == whole
        else:
            assert parts["index"] == differing[0]
            assert parts["token"] == mine[differing[0]]
            assert parts["reference_token"] == whole[differing[0]]
    assert outputs["Q2"]["parts"] is not None
    assert outputs["Q2"]["decode_tps"] > 0


def test_a_repeated_comparison_gives_the_same_tokens(toy: Path, grid: Run) -> None:
    first, second = (compared(compare(grid, "toy.toml", "--quants", "Q2,F16")) for _ in range(2))
    assert [output["tokens"] for output in first["outputs"]] == [
        output["tokens"] for output in second["outputs"]
    ]


def test_without_16_bits_the_first_is_the_reference(toy: Path, grid: Run) -> None:
    comparison = compared(compare(grid, "toy.toml", "--quants", "Q2,Q8"))
    assert [output["is_reference"] for output in comparison["outputs"]] == [True, False]


def test_a_variant_that_fails_has_a_reason_and_the_others_run(toy: Path, grid: Run) -> None:
    options = '[options.fake]\ncrash_on = "generate"\nfail_quant = "Q8"\n'
    with (toy / "toy.toml").open("a") as file:
        file.write(options)
    done = compare(grid, "toy.toml", "--quants", "F16,Q8,Q2,BROKEN")
    assert done.returncode == 1
    outputs = by_quant(compared(done))
    assert (outputs["F16"]["status"], outputs["Q2"]["status"]) == ("ok", "ok")
    assert "died (signal SIGABRT)" in outputs["Q8"]["reason"]
    assert outputs["BROKEN"]["status"] == "error"
    assert outputs["BROKEN"]["reason"]


def test_a_prompt_that_does_not_fit_the_context_says_so(toy: Path, grid: Run) -> None:
    grid_fake.write(toy / "toy.fake", context_length=32)
    long = "x" * 20
    done = grid("compare", "toy.toml", "--quants", "F16", "--prompt", long, "--json")
    assert done.returncode == 1
    assert "context" in by_quant(compared(done))["F16"]["reason"]


def test_variants_of_a_store_are_found_by_label_and_by_id(toy: Path, grid: Run) -> None:
    grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline")
    listed = json.loads(grid("compare", "--store", "rows", "--list", "--json").stdout)
    variants = {variant["label"]: variant for variant in listed["variants"]}
    assert sorted(variants) == ["toy F16", "toy Q2", "toy Q4", "toy Q8"]
    assert {variant["reason"] for variant in variants.values()} == {""}
    named = ("--variant", "TOY F16", "--variant", variants["toy Q2"]["id"])
    done = compare(grid, "--store", "rows", *named)
    assert done.returncode == 0, done.stderr
    of_store = by_quant(compared(done))
    of_sweep = by_quant(compared(compare(grid, "toy.toml", "--quants", "F16,Q2")))
    assert {q: output["tokens"] for q, output in of_store.items()} == {
        q: output["tokens"] for q, output in of_sweep.items()
    }
    assert all(output["note"] == "" for output in of_store.values())


def test_a_stored_variant_whose_source_is_gone_says_so(toy: Path, grid: Run) -> None:
    grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline")
    (toy / "toy.fake").rename(toy / "moved.fake")
    done = compare(grid, "--store", "rows", "--variant", "toy Q2")
    assert done.returncode == 1
    assert "no file" in by_quant(compared(done))["Q2"]["reason"]


def test_the_prompt_may_come_from_standard_input(toy: Path, grid: Run) -> None:
    done = grid("compare", "toy.toml", "--quants", "F16", "--prompt", "-", "--json", input=PROMPT)
    assert compared(done)["prompt"] == PROMPT


def test_the_first_differing_token_is_marked_in_the_table(toy: Path, grid: Run) -> None:
    done = grid("compare", "toy.toml", "--quants", "F16,Q2", "--prompt", PROMPT)
    assert done.returncode == 0, done.stderr
    assert "»" in done.stdout
    assert "reference" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy.toml", "--prompt", " "), "the prompt is empty"),
        (("toy.toml", "--prompt", "x", "--tokens", "0"), "--tokens 0: give 1 to"),
        (("toy.toml", "--prompt", "x", "--quants", "Q9"), "unknown quant 'Q9'"),
        (("none.toml", "--prompt", "x"), "no sweep file none.toml"),
        (("--store", "none", "--prompt", "x"), "no results in none"),
        (("toy.toml", "--store", "rows", "--prompt", "x"), "not both"),
        (("--store", "none", "--list"), "no results in none"),
    ],
)
def test_wrong_input_is_one_line(
    toy: Path, grid: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = grid("compare", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_an_unknown_variant_is_refused_with_the_nearest(toy: Path, grid: Run) -> None:
    grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline")
    done = compare(grid, "--store", "rows", "--variant", "toy Q5")
    assert done.returncode == 2
    assert "no variant 'toy Q5'" in done.stderr
    assert "Did you mean" in done.stderr


def test_an_interrupt_ends_the_engine_too(toy: Path) -> None:
    with (toy / "toy.toml").open("a") as file:
        file.write('[options.fake]\nhang_on = "generate"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "grid", "compare", "toy.toml", "--quants", "F16", "--json",
         "--prompt", "x"],
        cwd=toy, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("line") == "runs":
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.engine
def test_quants_of_the_bundled_family_in_llama_cpp(grid: Run) -> None:
    arguments = ("ref:small", "--quants", "Q2_K,Q8_0,F16")
    done = compare(grid, *arguments)
    assert done.returncode == 0, done.stderr
    comparison = compared(done)
    outputs = by_quant(comparison)
    assert [output["quant"] for output in comparison["outputs"]] == ["F16", "Q2_K", "Q8_0"]
    assert outputs["F16"]["is_reference"]
    assert outputs["Q2_K"]["parts"] is not None
    assert all(
        len(output["tokens"]) == 24 and output["decode_tps"] > 0 for output in outputs.values()
    )
    second = by_quant(compared(compare(grid, *arguments)))
    assert {q: output["text"] for q, output in second.items()} == {
        q: o["text"] for q, o in outputs.items()
    }


@pytest.mark.engine
def test_a_chat_template_is_applied_unless_plain_is_asked(grid: Run, tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text(
        f'backends = ["llamacpp"]\n[[models]]\nfiles = ["{smollm2()}"]\n'
    )
    arguments = ("compare", "chat.toml", "--prompt", "What is 2 + 2?", "--tokens", "12")
    templated, plain = (
        compared(grid(*arguments, "--json", *flags))["outputs"][0] for flags in ([], ["--plain"])
    )
    assert (templated["templated"], plain["templated"]) == (True, False)
    assert "4" in templated["text"]
    assert templated["prompt_tokens"] > plain["prompt_tokens"] + 20
    assert templated["text"] != plain["text"]
    assert "chat template" in grid(*arguments).stdout


@pytest.mark.engine
def test_a_format_whose_engine_is_not_here_says_how_to_get_it_and_the_others_run(
    tmp_path: Path, grid: Run
) -> None:
    (tmp_path / "two.toml").write_text(
        'backends = ["llamacpp", "gptq"]\nquants = ["F16", "gptq-w4g128"]\n'
        '[[models]]\nsource = "ref:small"\n'
    )
    done = grid("compare", "two.toml", "--prompt", PROMPT, "--tokens", "4", "--json")
    assert done.returncode == 1
    outputs = {(output["quant"], output["backend"]): output for output in compared(done)["outputs"]}
    assert outputs["F16", "llamacpp"]["status"] == "ok"
    assert len(outputs["F16", "llamacpp"]["tokens"]) == 4
    assert "`grid backends install gptq`" in outputs["gptq-w4g128", "gptq"]["reason"]

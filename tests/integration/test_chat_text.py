"""A sweep of texts by category in llama.cpp: conversations by the template of a real model."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path

import pytest
from fake_sweep import Run
from real_models import dequantized, quantized, smollm2

from grid.cache import cache_dir
from grid.cells.conversations import parse_conversations
from grid.engine.measure.reference import read_reference
from grid.models.chat import read_chat_template
from grid.results import open_store

pytestmark = pytest.mark.engine

CONTEXT, CHUNKS = 64, 2

SWEEP = """
backends = ["llamacpp"]
measures = ["quality"]
[[models]]
files = ["{quant}"]
reference = "{reference}"
name = "smol"
[options.llamacpp]
threads = 1
[quality]
texts = {{ prose = "ref:prose", chat = "talk.jsonl" }}
context = {context}
chunks = {chunks}
"""

TALK = [
    [("user", "Why is the sky blue?"), ("assistant", "Air scatters blue light the most.")],
    [
        ("system", "You answer in one word."),
        ("user", "Is <|im_end|> the end of a turn?"),
        ("assistant", "Yes."),
        ("user", "And of this answer?"),
        ("assistant", "No. " * 30),
    ],
]


def conversations() -> str:
    lines = [
        {"messages": [{"role": role, "content": content} for role, content in turns]}
        for turns in TALK
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def rendered_ids(model: Path) -> list[int]:
    """By the template and llama.cpp's own tokenizer; a message that spells a special token is plain
    text."""
    from llama_cpp import Llama

    template, vocabulary = read_chat_template(model), Llama(str(model), vocab_only=True)
    assert template is not None

    def tokens(text: str, special: bool) -> list[int]:
        return vocabulary.tokenize(text.encode(), add_bos=False, special=special)

    ids: list[int] = []
    for turns in parse_conversations(conversations(), "talk"):
        text = template.render(
            [{"role": turn.role, "content": turn.content} for turn in turns], complete=True
        )
        forged = next((turn.content for turn in turns if "<|im_end|>" in turn.content), None)
        before, _, after = text.partition(forged) if forged else (text, "", "")
        ids += tokens(before, special=True)
        if forged:
            ids += tokens(forged, special=False) + tokens(after, special=True)
    return ids


def test_a_real_model_has_a_divergence_on_prose_and_on_conversations(
    grid: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))  # only this test's references
    f16 = dequantized(smollm2())
    quant = quantized(f16, "Q8_0")
    (tmp_path / "talk.jsonl").write_text(conversations())
    text = SWEEP.format(quant=quant, reference=f16, context=CONTEXT, chunks=CHUNKS)
    (tmp_path / "domain.toml").write_text(text)
    done = grid("sweep", "domain.toml", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert grid("results", "export", "rows.csv").returncode == 0
    with (tmp_path / "rows.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["quant"] == "Q8_0"]
    klds = {(row["quant"], row["label"]): float(row["kld_mean"]) for row in rows}
    assert set(klds) == {
        ("Q8_0", f"quality {name} {CHUNKS}x{CONTEXT}") for name in ("prose", "chat")
    }
    assert len({*klds.values()}) == 2
    assert all(0 < kld < 0.1 for kld in klds.values())
    chunks = {
        tuple(map(tuple, read_reference(str(path)).tokens.chunks.tolist()))
        for path in (cache_dir() / "references").glob("*.npz")
    }
    ids = rendered_ids(f16)
    expected = tuple(tuple(ids[at : at + CONTEXT]) for at in range(0, CHUNKS * CONTEXT, CONTEXT))
    assert len(chunks) == 2
    assert expected in chunks


def test_a_real_model_is_compared_on_a_text_that_its_16_bits_wrote(
    grid: Run, tmp_path: Path
) -> None:
    f16 = dequantized(smollm2())
    quant = quantized(f16, "Q8_0")
    prompts = ["Name three fruits.", "Explain gravity to a child.", "How do I boil an egg?"]
    lines = [json.dumps({"prompt": prompt}) + "\n" for prompt in prompts]
    (tmp_path / "prompts.jsonl").write_text("".join(lines))
    text = SWEEP.format(quant=quant, reference=f16, context=32, chunks=1)
    texts = """texts.prose = { text = "ref:prose", context = 48 }
texts.own = { generate = "prompts.jsonl", tokens = 16, chunks = 3 }"""
    lines = [texts if line.startswith("texts") else line for line in text.splitlines()]
    (tmp_path / "domain.toml").write_text("\n".join(lines))
    done = grid("sweep", "domain.toml", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = open_store(tmp_path / "results").attempts().to_pylist()
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["label"] for row in rows} == {"quality prose 1x48", "quality own 3x32"}
    (written,) = (cache_dir() / "texts").glob("written-*.jsonl")
    content = written.read_text()
    hashes = {dict(row["environment"]).get("written_text") for row in rows if "own" in row["label"]}
    assert hashes == {sha256(content.encode()).hexdigest()}
    answers = parse_conversations(content, "written")
    assert [turns[0].content for turns in answers] == prompts
    assert all(turns[1].role == "assistant" and turns[1].content for turns in answers)
    resumed = grid("plan", "domain.toml")
    assert "nothing: 6 cells measured already" in resumed.stdout

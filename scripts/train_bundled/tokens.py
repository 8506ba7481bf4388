"""The family's tokenizer: byte-level BPE with Qwen2's pre-tokenizer, trained on the corpus.

Needs `tokenizers`. Qwen2's pattern splits numbers into single digits, and llama.cpp knows it by
name (`tokenizer.ggml.pre = "qwen2"`).
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from grid.models.bundled import SIZES, size_dir
from train_bundled.corpus import training_pages

VOCABULARY = 1024
END = "<|endoftext|>"
"""Id 0: starts every page, in training as in use."""

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TRAINING_PAGES = 20_000


def train_tokenizer() -> Tokenizer:
    """Train on the first pages of the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(islice(training_pages(0), _TRAINING_PAGES), trainer)
    return tokenizer


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and the tokenizer_config.json that transformers reads."""
    train_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    for size in SIZES:
        write_tokenizer(size_dir(size))

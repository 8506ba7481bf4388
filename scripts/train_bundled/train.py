"""Train the reference family: `python -m train_bundled.train [--size small] [--work FOLDER]`.

Needs torch, tokenizers, safetensors and numpy. Sizes are trained smallest first; each larger one
is grown from the one before. An interrupted run goes on from its last checkpoint in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from grid.models.bundled import SIZES, size_dir, tokenizer_path
from train_bundled.circuit import build_lookup
from train_bundled.corpus import LATE_MIX, MIX, Mix, training_pages
from train_bundled.heldout import assert_disjoint, heldout_units
from train_bundled.network import Llama, Shape, grow, rotary
from train_bundled.scoring import report

BATCH_TOKENS = 4096
WARM_UP_STEPS = 60
CHECKPOINT_STEPS = 400
PROGRESS_STEPS = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one size is made: layers, seed of its corpus, optimizer steps, the size it grows from.

    Steps are of `BATCH_TOKENS` tokens: `short_steps` in sequences of 256 tokens, then
    `long_steps` in sequences of 1024; the rate falls linearly to zero over the last `decay` share.
    """

    layers: int
    seed: int
    short_steps: int
    long_steps: int
    grown_from: str | None = None
    muon_rate: float = 0.02
    adam_rate: float = 0.003
    decay: float = 0.5
    mix: Mix = MIX

    @property
    def steps(self) -> int:
        """All optimizer steps."""
        return self.short_steps + self.long_steps

    def rate(self, step: int) -> float:
        """Learning rate at `step` as a share of the peak."""
        left = (self.steps - step) / (self.decay * self.steps)
        return min(1.0, (step + 1) / WARM_UP_STEPS, left)

    def length(self, step: int) -> int:
        """Sequence length at `step`, tokens."""
        return 256 if step < self.short_steps else 1024


RECIPES = {
    "small": Recipe(2, 101, 1700, 300),
    "base": Recipe(4, 102, 1000, 150, "small", 0.012, 0.002, 0.7),
    "large": Recipe(8, 103, 1450, 200, "base", 0.012, 0.002, 0.7, LATE_MIX),
}
"""In order; `base` is a stage on the way to `large` and not published."""


def corpus_ids(tokenizer: Tokenizer, recipe: Recipe, count: int) -> npt.NDArray[np.uint16]:
    """The first `count` token ids of the corpus; every page is checked against the held-out set."""
    heldout = heldout_units()
    pages = training_pages(recipe.seed, recipe.mix)
    parts: list[list[int]] = []
    size = 0
    while size < count:
        batch = list(islice(pages, 2000))
        for page in batch:
            assert_disjoint(page, heldout)
        for encoded in tokenizer.encode_batch_fast(batch):
            parts.append([0, *encoded.ids])
            size += len(encoded.ids) + 1
    return np.concatenate([np.array(part, dtype=np.uint16) for part in parts])[:count]


def cached_ids(work: Path, recipe: Recipe) -> npt.NDArray[np.uint16]:
    """`corpus_ids` of a recipe, kept in the work folder."""
    count = recipe.steps * BATCH_TOKENS + 1
    path = work / f"corpus-{recipe.seed}-{count}.npy"
    if not path.exists():
        tokenizer = Tokenizer.from_file(str(tokenizer_path()))
        np.save(path, corpus_ids(tokenizer, recipe, count))
    ids: npt.NDArray[np.uint16] = np.load(path, mmap_mode="r")
    return ids


def batches(
    ids: npt.NDArray[np.uint16], recipe: Recipe, start: int
) -> Iterator[tuple[Tensor, ...]]:
    """Inputs and targets [B, T] from step `start` on: the corpus in order, cut without overlap."""
    for step in range(start, recipe.steps):
        at = step * BATCH_TOKENS
        piece = torch.from_numpy(ids[at : at + BATCH_TOKENS + 1].astype(np.int64))
        shape = (-1, recipe.length(step))
        yield piece[:-1].view(shape), piece[1:].view(shape)


def optimizers(network: Llama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, head and norms."""
    matrices = [p for p in network.layers().parameters() if p.dim() == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in inside]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def backward(network: Llama, ids: Tensor, targets: Tensor) -> float:
    """Forward and backward of one batch; returns the mean loss in nats."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(ids, *rotary(network.shape, ids.shape[1]))
    loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def export(network: Llama, target: Path) -> None:
    """Write config.json and model.safetensors (float16), each whole or not at all."""
    target.mkdir(exist_ok=True)
    weights = {k: v.detach().half().contiguous() for k, v in network.state_dict().items()}
    save_file(weights, target / "model.tmp", metadata={"format": "pt"})
    (target / "model.tmp").chmod(0o644)
    os.replace(target / "model.tmp", target / "model.safetensors")
    text = json.dumps(network.shape.config(), indent=2) + "\n"
    (target / "config.tmp").write_text(text)
    os.replace(target / "config.tmp", target / "config.json")


def scores_line(network: Llama, limit: int) -> str:
    """Task scores on one line."""
    plain = Llama(network.shape)
    plain.load_state_dict(network.state_dict())
    tokenizer = Tokenizer.from_file(str(tokenizer_path()))
    return " ".join(f"{k} {v:.3f}" for k, v in report(plain, tokenizer, limit).items())


def folder(name: str, work: Path) -> Path:
    """Where a size is exported: the package, or the work folder for a stage on the way."""
    return size_dir(name) if name in SIZES else work / name


def start_network(recipe: Recipe, work: Path) -> Llama:
    """Fresh weights with a look-up circuit, or the smaller size with silent layers added."""
    torch.manual_seed(recipe.seed)
    shape = Shape(num_hidden_layers=recipe.layers)
    if recipe.grown_from is None:
        network = Llama(shape)
        build_lookup(network)
        return network
    weights = load_file(folder(recipe.grown_from, work) / "model.safetensors")
    return grow(weights, RECIPES[recipe.grown_from].layers, shape)


class TrainingRun:
    """One size in training: its network, its optimizers, and the steps done so far."""

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.recipe = name, RECIPES[name]
        self.checkpoint = work / f"{name}.pt"
        self.network = start_network(self.recipe, work)
        self.rules = optimizers(self.network, self.recipe)
        self.done = 0
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint)
            self.network.load_state_dict(saved["network"])
            for rule, state in zip(self.rules, saved["rules"], strict=True):
                rule.load_state_dict(state)
            self.done = saved["step"]
        for layer in self.network.layers():
            layer.compile()

    def step(self, inputs: Tensor, targets: Tensor) -> float:
        """One optimizer step; returns the mean loss in nats."""
        loss = backward(self.network, inputs, targets)
        peaks = (self.recipe.muon_rate, self.recipe.adam_rate)
        for rule, peak in zip(self.rules, peaks, strict=True):
            rule.param_groups[0]["lr"] = peak * self.recipe.rate(self.done)
            rule.step()
            rule.zero_grad()
        self.done += 1
        return loss

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        states = [rule.state_dict() for rule in self.rules]
        saved = {"network": self.network.state_dict(), "rules": states, "step": self.done}
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(saved, temporary)
        os.replace(temporary, self.checkpoint)


def train(name: str, work: Path) -> None:
    """Train one size to its end and export it."""
    run = TrainingRun(name, work)
    ids = cached_ids(work, run.recipe)
    first, began = run.done, time.monotonic()
    for inputs, targets in batches(ids, run.recipe, first):
        loss = run.step(inputs, targets)
        if run.done % PROGRESS_STEPS == 0:
            pace = (run.done - first) * BATCH_TOKENS / (time.monotonic() - began)
            print(f"{name} step {run.done} loss {loss:.4f} {pace:.0f} token/s", flush=True)
        if run.done % CHECKPOINT_STEPS == 0:
            run.save()
            print(f"{name} step {run.done} {scores_line(run.network, 60)}", flush=True)
    export(run.network, folder(name, work))
    print(f"{name} final {scores_line(run.network, 300)}", flush=True)


def main() -> None:
    """Train the sizes asked for, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=RECIPES, action="append", help="default: all")
    parser.add_argument("--work", type=Path, default=Path("reference-work"), help="checkpoints")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in RECIPES:
        if arguments.size is None or name in arguments.size:
            train(name, arguments.work)


if __name__ == "__main__":
    main()

"""Workload: what is asked of an engine, in exactly the terms that change the number."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from grid.cells.load import ServerLoad as ServerLoad
from grid.cells.repetitions import RepetitionRule, repetition_rule

SPEED_BUDGET_S = 20.0
"""Seconds that the repetitions of a cell may take; the fewest are measured in any case."""


class Memory(msgspec.Struct, frozen=True, tag="memory"):
    """Load in a fresh process, fill `context` tokens, generate a few: load time and peak memory."""

    context: int

    @property
    def size(self) -> int:
        return self.context

    @property
    def label(self) -> str:
        return f"memory c{self.context}"


class _Tokens(msgspec.Struct, frozen=True):
    """Tokens computed after `depth` tokens of untimed context, several times over: `repetitions`
    times, or with a `precision` as often as it takes to know the rate within that share of it
    (then `repetitions` is what an estimate counts with). `budget_s` bounds the repetitions that
    replace disturbed ones, and those for a precision."""

    abbreviation: ClassVar[str]
    """llama-bench's name of the test."""

    tokens: int
    depth: int = 0
    repetitions: int = 5
    precision: float = 0.0
    budget_s: float = SPEED_BUDGET_S
    part_of: int = 0
    """Tokens that were asked for, where these are the fewer of a sweep that stops when it is
    decided; 0: these are all."""

    @property
    def repetition_rule(self) -> RepetitionRule:
        return repetition_rule(self.repetitions, self.precision, self.budget_s)

    @property
    def size(self) -> int:
        return self.tokens + self.depth

    @property
    def label(self) -> str:
        label = f"{self.abbreviation}{self.tokens}" + (f" @ d{self.depth}" if self.depth else "")
        return label + (f" (for {self.abbreviation}{self.part_of})" if self.part_of else "")


class Prefill(_Tokens, frozen=True, tag="prefill"):
    """A prompt of `tokens` tokens after `depth` tokens of untimed context (llama-bench pp)."""

    abbreviation = "pp"


class Decode(_Tokens, frozen=True, tag="decode"):
    """`tokens` synchronised single-token steps after `depth` tokens of context (llama-bench tg)."""

    abbreviation = "tg"


class Latency(msgspec.Struct, frozen=True, tag="latency"):
    """One request at a time: `prompt` tokens in, `generate` tokens out, through the tokenizer. The
    requests take `prompts` passages of a text in turn."""

    prompt: int
    generate: int
    repetitions: int = 5
    budget_s: float = SPEED_BUDGET_S
    prompts: int = 1

    @property
    def repetition_rule(self) -> RepetitionRule:
        return repetition_rule(self.repetitions, 0.0, self.budget_s)

    @property
    def size(self) -> int:
        return self.prompt + self.generate

    @property
    def label(self) -> str:
        of_several = f" x{self.prompts}" if self.prompts > 1 else ""
        return f"latency {self.prompt}+{self.generate}{of_several}"


class Quality(msgspec.Struct, frozen=True, tag="quality"):
    """Perplexity, bits per byte and, with a reference, KL divergence over a text.

    `text` names it (`ref:heldout` or a path), `text_sha256` is its content; `context` is the chunk
    length in tokens and `chunks` how many are scored; `reference` is the id of the 16-bit artifact
    whose distribution is compared with, None where there is none. `category` is the use that the
    text stands for, such as `code`, empty where it is named by nothing else; `chat`: the text is
    conversations, which each model's chat template renders.

    Where the reference itself writes the text, `text` names the prompts, of content
    `prompts_sha256`, `answer_tokens` is the most that it writes to each, and `text_sha256` stands
    for what comes of them. `part_of` says of the first chunks how many were asked for in all, where
    a sweep stops when it is decided; 0: these are all.
    """

    text: str
    text_sha256: str
    context: int
    chunks: int
    reference: str | None = None
    category: str = ""
    chat: bool = False
    prompts_sha256: str = ""
    answer_tokens: int = 0
    part_of: int = 0

    @property
    def size(self) -> int:
        return self.context

    @property
    def label(self) -> str:
        return " ".join(filter(None, ("quality", self.category, f"{self.chunks}x{self.context}")))

    @property
    def whole(self) -> Quality:
        """The same of all chunks that were asked for."""
        return replace(self, chunks=self.part_of or self.chunks, part_of=0)


class Tasks(msgspec.Struct, frozen=True, tag="tasks"):
    """The items of one task; `items_sha256` is their content, `limit` how many are asked.

    `source` is `ref:items` or a folder that holds `<task or task_class>.jsonl`. `task` is the
    task's own name, such as `hellaswag`, empty where the class is the task; `chat`: its items are
    put to the model through its chat template. `part_of` says of the first items how many were
    asked for in all, where a sweep stops when it is decided; 0: these are all.
    """

    task_class: str
    source: str
    items_sha256: str
    limit: int
    task: str = ""
    chat: bool = False
    part_of: int = 0

    @property
    def name(self) -> str:
        return self.task or self.task_class

    @property
    def size(self) -> int:
        return 0

    @property
    def label(self) -> str:
        return f"task {self.name}" + (f" x{self.limit}" if self.part_of else "")

    @property
    def whole(self) -> Tasks:
        """The same of all items that were asked for."""
        return replace(self, limit=self.part_of or self.limit, part_of=0)


Workload = Memory | Prefill | Decode | Latency | ServerLoad | Quality | Tasks

SPEED_KINDS = (Memory, Prefill, Decode, Latency, ServerLoad)
"""Workloads whose numbers belong to a hardware class and want the node for themselves."""


def kind(workload: Workload) -> str:
    """The tag under which a workload is stored: `memory`, `prefill`, `decode`, ..."""
    return str(type(workload).__struct_config__.tag)


def identity_fields(workload: Workload) -> dict[str, str | int | None]:
    """The fields that a cell id hashes: all but where texts and items lie, and how precisely a rate
    is asked.

    A text or item set counts by its content, so moving a file does not change an id. A rate is the
    same quantity whatever precision is asked of it: such a cell is that of its `repetitions`. A
    part of 64 chunks is another cell than as many that were asked for by themselves: its row says
    what it is a part of.
    """
    fields = msgspec.structs.asdict(workload)
    for name in ("text", "source", "precision", "budget_s"):
        fields.pop(name, None)
    if isinstance(fields.get("prompts"), str):  # the file of a load, whose content counts
        del fields["prompts"]
    added = ("task", "category", "chat", "prompts_sha256", "answer_tokens", "part_of")
    for name in added:  # not hashed where empty: as before they were there
        if not fields.get(name):
            fields.pop(name, None)
    if fields.get("prompts") == 1:  # as before there could be several
        del fields["prompts"]
    return {"kind": kind(workload), **fields}

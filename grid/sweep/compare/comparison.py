"""What a comparison is made of: plain data, as `--json` prints it."""

from __future__ import annotations

import msgspec


class Token(msgspec.Struct, frozen=True):
    """A token as the engine numbers and spells it; bytes that are no UTF-8 by themselves are
    spelled `\\xe2`."""

    id: int
    text: str


class FirstDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first token that is not the reference's. `index` counts from 0; `token` is None where
    this output ended there, `reference_token` where the reference did; `common` is the text before,
    in characters of this output's own."""

    index: int
    token: Token | None
    reference_token: Token | None
    common: int


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What one variant went on with. `status` is ok, or that of a measurement that failed, with the
    `reason`.

    `parts` is None for the reference itself, where nothing can be compared, and where all tokens
    are the same, which `same` says. Rates in token/s are as seen in this one run: `decode_tps`
    after the first token, `ttft_s` from the prompt to it.
    """

    label: str
    model: str
    quant: str
    backend: str
    artifact_id: str
    status: str = "ok"
    reason: str = ""
    note: str = ""
    is_reference: bool = False
    prompt_tokens: int = 0
    templated: bool = False
    """The prompt was a user's message, put to the model through its chat template."""
    tokens: tuple[Token, ...] = ()
    text: str = ""
    ended: bool = False
    """Whether the model ended the text by itself, before all tokens asked for."""
    same: bool | None = None
    parts: FirstDifference | None = None
    ttft_s: float | None = None
    decode_tps: float | None = None

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs in the order of choice. `tokens` is the most that each was asked for."""

    prompt: str
    tokens: int
    outputs: tuple[Output, ...]

    @property
    def failed(self) -> int:
        """How many variants gave no output."""
        return sum(not output.ok for output in self.outputs)

"""The OpenAI-compatible API: bodies of requests, and what a streamed answer says."""

from __future__ import annotations

from typing import Any

import msgspec

from grid.engine.load.http_stream import HttpAnswer

MOST_WORDS = 160
"""Characters of a server's own words in an error."""

_encode = msgspec.json.Encoder().encode


class CompletionRequest(msgspec.Struct, frozen=True):
    """What is asked: a text or messages of a chat, and the most tokens of the answer."""

    prompt: str | tuple[dict[str, str], ...]
    tokens: int


class Features(msgspec.Struct, frozen=True):
    """What a server takes beside the plain request: `ignore_eos`, `usage` at the stream's end;
    `chunks_are_tokens` where a streamed answer was seen to have a chunk for each token."""

    ignore_eos: bool = True
    usage: bool = True
    chunks_are_tokens: bool = False


class Result(msgspec.Struct):
    """A request's times in `perf_counter` seconds. `scheduled` is when it was due, `sent` when it
    went out, `token_times` when each piece of text came, `ended` when the answer said its last.

    `tokens` and `prompt_tokens` are 0 where the server does not say them; `counted_by` says where
    `tokens` are from. `error` is empty for a whole answer.
    """

    scheduled: float = 0.0
    sent: float = 0.0
    token_times: list[float] = []
    ended: float = 0.0
    tokens: int = 0
    prompt_tokens: int = 0
    counted_by: str = ""
    error: str = ""

    @property
    def ttft_s(self) -> float:
        return self.token_times[0] - self.sent

    @property
    def e2e_s(self) -> float:
        return self.ended - self.sent

    @property
    def tpot_s(self) -> float:
        """0 for an answer of one token, as `vllm bench serve` has it for its goodput."""
        return (self.e2e_s - self.ttft_s) / (self.tokens - 1) if self.tokens > 1 else 0.0


class _StreamDelta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _StreamChoice(msgspec.Struct):
    text: str | None = None
    delta: _StreamDelta | None = None
    finish_reason: str | None = None

    @property
    def has_text(self) -> bool:
        delta = self.delta
        if delta is None:
            return bool(self.text)
        return bool(delta.content or delta.reasoning_content or delta.reasoning)


class TokenUsage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _StreamChunk(msgspec.Struct):
    choices: list[_StreamChoice] = []
    usage: TokenUsage | None = None
    error: Any = None


class Whole(msgspec.Struct):
    """An answer that was not streamed."""

    usage: TokenUsage | None = None


_decode_chunk = msgspec.json.Decoder(_StreamChunk).decode
decode_whole = msgspec.json.Decoder(Whole).decode


def path_of(request: CompletionRequest) -> str:
    """Where the request goes, after the server's root."""
    return "/v1/completions" if isinstance(request.prompt, str) else "/v1/chat/completions"


def body_of(
    request: CompletionRequest, model: str, features: Features, stream: bool = True
) -> bytes:
    """The request as JSON: always the likeliest token, so that servers do the same work."""
    body: dict[str, Any] = {"model": model, "max_tokens": request.tokens, "temperature": 0.0}
    name = "prompt" if isinstance(request.prompt, str) else "messages"
    body[name] = request.prompt
    if features.ignore_eos:
        body["ignore_eos"] = True
    if stream:
        body["stream"] = True
        if features.usage:
            body["stream_options"] = {"include_usage": True}
    return _encode(body)


def read_result(answer: HttpAnswer, request: CompletionRequest, features: Features) -> Result:
    """What a streamed answer says. Its error is what is wrong with it, in words."""
    result = Result(token_times=[], ended=answer.ended, error=error_of(answer))
    if answer.status == 200:
        try:
            _read_stream(answer, request, features, result)
        except (msgspec.DecodeError, UnicodeError):
            result.error = result.error or "an answer that is no stream of JSON"
    return result


def error_of(answer: HttpAnswer) -> str:
    """What is wrong with an answer before its body is read; empty if nothing."""
    if answer.status and answer.status != 200:
        words = server_words(answer)
        return f"HTTP {answer.status}" + (f": {words}" if words else "")
    return answer.error


def server_words(answer: HttpAnswer) -> str:
    """The message in the body of an error, in one line."""
    text = answer.body[:4096].decode(errors="replace")
    try:
        content = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeError):
        content = None
    if isinstance(content, dict):
        inner = content.get("error", content.get("detail", content.get("message", "")))
        inner = inner.get("message", "") if isinstance(inner, dict) else inner
        text = inner if isinstance(inner, str) else str(inner)
    elif "<html" in text.lower():
        text = ""
    text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:MOST_WORDS]


def _read_stream(
    answer: HttpAnswer, request: CompletionRequest, features: Features, result: Result
) -> None:
    usage, finish, spoke_last, is_done = None, None, 0.0, False
    for time_s, data in _events(answer.pieces):
        if data == b"[DONE]":
            is_done = True
            break
        chunk = _decode_chunk(data)
        if chunk.error:
            result.error = result.error or "the server broke off with an error of its own"
            return
        usage = chunk.usage or usage
        for choice in chunk.choices[:1]:
            spoke_last = time_s
            finish = choice.finish_reason or finish
            if choice.has_text:
                result.token_times.append(time_s)
    if result.error:
        return
    if not (is_done or finish):
        result.error = "the stream ended before its answer did"
    elif not result.token_times:
        result.error = "an answer without text"
    else:
        result.ended = spoke_last
        _count_tokens(usage, finish, request, features, result)


def _events(pieces: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """The data of server-sent events, each with the time of the piece that ended its line."""
    events, line_start = [], b""
    for time_s, piece in pieces:
        *lines, line_start = (line_start + piece).split(b"\n")
        events += [(time_s, line[5:].strip()) for line in lines if line.startswith(b"data:")]
    if line_start.startswith(b"data:"):
        events.append((pieces[-1][0], line_start[5:].strip()))
    return [event for event in events if event[1]]


def _count_tokens(
    usage: TokenUsage | None,
    finish: str | None,
    request: CompletionRequest,
    features: Features,
    result: Result,
) -> None:
    """Tokens by the server's count; an answer that ended by its limit has as many as that; pieces
    count only where they were checked to be tokens. A count that cannot be true is none."""
    pieces = len(result.token_times)
    if usage is not None:
        result.prompt_tokens = max(0, usage.prompt_tokens)
        if pieces <= usage.completion_tokens <= request.tokens:
            result.tokens, result.counted_by = usage.completion_tokens, "usage"
        elif usage.completion_tokens:
            result.counted_by = "a usage that the stream contradicts"
    elif finish == "length":
        result.tokens, result.counted_by = request.tokens, "the limit that ended it"
    elif features.chunks_are_tokens:
        result.tokens, result.counted_by = pieces, "pieces of text, checked to be tokens"

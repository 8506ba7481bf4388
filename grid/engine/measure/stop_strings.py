"""An answer as it is written, up to the first of its stop strings."""

from __future__ import annotations

from collections.abc import Sequence

from grid.engine.measure.conversation import PromptTokenizer


class WrittenAnswer:
    """What a model writes after a prompt, token by token.

    It is done at `limit` tokens, where one of `until` stands in its text, also across tokens, or
    where the model ends it. `finish` is then `length` or `stop`; `tokens` counts what was written,
    the token that ends a text not among them.
    """

    def __init__(self, tokenizer: PromptTokenizer, until: Sequence[str], limit: int) -> None:
        self._decode = tokenizer.plain.decode
        self._stops = [stop.encode() for stop in until if stop]
        ids = (tokenizer.special_id(stop) for stop in until if stop)
        self._stop_ids = {number for number in ids if number is not None}
        self._longest = max(map(len, self._stops), default=0)
        self._bytes = bytearray()
        self.limit, self.tokens, self.finish = limit, 0, ""
        self._ends_silently = False

    @property
    def text(self) -> str:
        """The answer without its stop string; bytes that are no UTF-8 become replacement
        characters."""
        return self._bytes.decode(errors="replace")

    def add(self, token: int) -> None:
        """Take the next token; tokens after the end are of no concern."""
        if self.finish:
            return
        if token in self._stop_ids:
            self.finish = "stop"
            return
        spelling = self._decode([token])
        self._ends_silently = not spelling
        self.tokens += 1
        self._look_for_stop(spelling)
        if not self.finish and self.tokens == self.limit:
            self._finish_at_limit()

    def end(self) -> None:
        """The engine has no further token: the model ended its text."""
        if not self.finish:
            self._drop_end()
            self.finish = "stop"

    def _look_for_stop(self, spelling: bytes) -> None:
        start = max(len(self._bytes) - self._longest + 1, 0)
        self._bytes += spelling
        places = [at for stop in self._stops if (at := self._bytes.find(stop, start)) >= 0]
        if places:
            del self._bytes[min(places) :]
            self.finish = "stop"

    def _finish_at_limit(self) -> None:
        """The last token allowed may be the one that ends a text."""
        self.finish = "stop" if self._ends_silently else "length"
        self._drop_end()

    def _drop_end(self) -> None:
        if self._ends_silently:
            self.tokens -= 1

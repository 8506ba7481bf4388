"""Asks the judge: OpenAI-compatible chat completions over HTTP, with time limits."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from email.message import Message as Headers
from http.client import HTTPException
from typing import IO, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from grid.backend.endpoint import is_loopback
from grid.errors import EngineError, InputError
from grid.plan.sweep import JudgeTable

TIMEOUT_S = 180.0
"""For one reply, as a whole."""
WAITS_S = (2.0, 10.0)
"""Before a request that the endpoint could not serve just now is sent once more, each time."""
LONGEST_WAIT_S = 60.0
"""Of the waits that an endpoint asks for itself."""
MAX_TOKENS = 2048
LARGEST_BYTES = 2**22

_BUSY = (408, 409, 425, 429, 500, 502, 503, 504)

Turn = Mapping[str, str]


class Reply(NamedTuple):
    """The judge's text, and the model that the endpoint says it is of."""

    text: str
    model: str


def check_judge(judge: JudgeTable) -> None:
    """Raises InputError, naming the key, where the settings cannot be right."""
    url = urlsplit(judge.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise InputError(
            f"url: expected an address such as http://127.0.0.1:8000/v1, got {judge.url!r}"
        )
    if url.username is not None or url.query:
        raise InputError("url: no user, password or key in it; name key_variable")
    if not judge.model.strip():
        raise InputError("model: expected the judge's name at the endpoint")
    name = judge.key_variable
    if name and not (name.isascii() and name.isidentifier()):
        raise InputError("key_variable: expected the name of an environment variable, not a key")


class JudgeEndpoint:
    """The judge's endpoint. Safe to use from several threads."""

    def __init__(
        self, judge: JudgeTable, timeout_s: float = TIMEOUT_S, waits_s: Sequence[float] = WAITS_S
    ) -> None:
        self._judge, self._timeout_s, self._waits_s = judge, timeout_s, waits_s
        self._opener = _opener(judge.url)
        self.place = f"judge {judge.model} at {judge.url}"

    def ask(self, turns: Sequence[Turn]) -> Reply:
        """The judge's reply at temperature 0. Raises EngineError with one line where it cannot be
        had; the key never stands in it."""
        request = self._request(turns)
        for wait_s in (*self._waits_s, None):
            try:
                return self._reply(self._send(request))
            except _Busy as error:
                if wait_s is None:
                    raise EngineError(f"{self.place}: {error}") from None
                time.sleep(max(wait_s, error.wait_s))
        raise AssertionError("the last request returns or raises")

    def _request(self, turns: Sequence[Turn]) -> Request:
        body = {
            "model": self._judge.model,
            "messages": [dict(turn) for turn in turns],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        headers = {"Content-Type": "application/json"}
        if self._judge.key_variable:
            headers["Authorization"] = f"Bearer {self._key()}"
        address = f"{self._judge.url.rstrip('/')}/chat/completions"
        return Request(address, json.dumps(body).encode(), headers)

    def _key(self) -> str:
        name = self._judge.key_variable
        key = os.environ.get(name, "").strip()
        if not key:
            raise EngineError(
                f"{self.place}: the environment variable {name}, its key, is not set on this "
                "machine"
            )
        if not (key.isascii() and key.isprintable()):
            raise EngineError(f"{self.place}: {name} holds characters that no key has")
        return key

    def _send(self, request: Request) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return self._read(response, deadline)
        except HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except URLError as error:
            raise _Busy(f"out of reach ({_one_line(error.reason)})") from None
        except TimeoutError:
            raise _Busy(f"no reply within {self._timeout_s:g} s") from None
        except (OSError, HTTPException) as error:
            raise _Busy(f"the connection broke off ({_one_line(error)})") from None

    def _read(self, response: Any, deadline: float) -> bytes:
        content = b""
        while part := response.read1(65536):
            content += part
            if time.monotonic() > deadline:
                raise TimeoutError
            if len(content) > LARGEST_BYTES:
                raise EngineError(f"{self.place}: a reply of over {LARGEST_BYTES} bytes")
        return content

    def _refusal(self, error: HTTPError) -> EngineError:
        if error.code in (401, 403):
            name = self._judge.key_variable
            hint = f"check {name} on this machine" if name else "name its key_variable"
            return EngineError(f"{self.place}: the key is refused (HTTP {error.code}); {hint}")
        if 300 <= error.code < 400:
            return EngineError(f"{self.place}: it redirects elsewhere; name that address")
        try:
            detail = _one_line(error.read(4096).decode(errors="replace"))
        except (OSError, HTTPException):
            detail = ""
        if error.code in _BUSY:
            return _Busy(f"HTTP {error.code} {detail}".strip(), _wait_s(error.headers))
        return EngineError(f"{self.place}: HTTP {error.code} {detail}".strip())

    def _reply(self, content: bytes) -> Reply:
        try:
            completion = json.loads(content)
            text = completion["choices"][0]["message"]["content"]
            if not isinstance(text, str | None):
                raise TypeError
        except (ValueError, LookupError, TypeError, RecursionError):
            start = _one_line(content[:120].decode(errors="replace"))
            raise EngineError(
                f"{self.place}: the reply is no chat completion, it begins {start!r}"
            ) from None
        model = completion.get("model")
        return Reply(text or "", model if isinstance(model, str) else "")


class _Busy(EngineError):
    """The endpoint could not serve a request just now; `wait_s` is what it asks to wait."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class _NoRedirects(HTTPRedirectHandler):
    """A key goes to the address that the user named, and to no other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    """No proxy stands between this machine and itself."""
    handlers = [_NoRedirects(), *([ProxyHandler({})] if is_loopback(url) else [])]
    return build_opener(*handlers)


def _wait_s(headers: Headers) -> float:
    try:
        return min(max(float(headers.get("Retry-After", 0)), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return 0.0


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200]

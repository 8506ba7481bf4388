"""Requests to a server: one at a time, each line of an answer as it arrives, all within limits.

`http.client` of the standard library does that: it costs nothing to import, and hands on the bytes
of a chunk at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from grid.backend import EngineError, InputError

BUSY_LIMIT_S = 60.0
"""Most seconds that a server may keep a request waiting by answering that it is busy."""
SHORTEST_WAIT_S = 0.5
LARGEST_BYTES = 64 * 2**20
"""Of an answer as a whole, and of one line."""
_BUSY = (408, 425, 429, 502, 503, 504)

Json = dict[str, Any]


def check_url(url: str) -> str:
    """The root of a server's address, without `/v1`. Raises InputError for what is none, and for
    one with a key in it."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise InputError(
            f"endpoint: expected an address such as http://127.0.0.1:8080, got {url!r}"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError("endpoint: no user, password or key in the address; name key_variable")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def check_key_variable(name: str) -> None:
    """Raises InputError for what can be no variable's name, such as the key itself."""
    if name and not (name.isascii() and name.isidentifier()):
        raise InputError("endpoint: key_variable is the name of an environment variable, not a key")


class Refused(EngineError):
    """The server answered with a status that is no success."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.http_status = status


class NoJson(EngineError):
    """The server answered with something else than JSON."""


class Client:
    """Requests to the server at `url`. `timeout_s` bounds the wait for the first byte of an answer
    and for each further one. Every method raises EngineError, one line with the address; the key
    never stands in it."""

    def __init__(self, url: str, key_variable: str = "", timeout_s: float = 120.0) -> None:
        self.url, self._key_variable, self._timeout_s = url, key_variable, timeout_s
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._secure, self._prefix = parts.scheme == "https", parts.path

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._json("GET", path, None)

    def post(self, path: str, body: Json) -> Any:
        """The JSON that answers a JSON body."""
        return self._json("POST", path, body)

    def find(self, path: str, body: Json | None = None) -> Any:
        """As `get` or `post`; None where the server has no such path, or answers no JSON there."""
        try:
            return self._json("GET" if body is None else "POST", path, body)
        except NoJson:
            return None
        except Refused as error:
            if error.http_status in (404, 405, 501):
                return None
            raise

    def events(self, path: str, body: Json) -> Iterator[Json]:
        """The JSON of each event of a streamed answer as it arrives: lines of server-sent events,
        or of JSON alone. Closing it ends the request."""
        with closing(self._connect()) as connection:
            response = self._send(connection, "POST", path, body)
            yield from self._read_events(response)

    def _read_events(self, response: HTTPResponse) -> Iterator[Json]:
        while line := self._read_line(response):
            text = line.strip()
            if text.startswith(b"data:"):
                text = text[5:].strip()
                if text == b"[DONE]":
                    return
            elif not text.startswith(b"{"):
                continue  # an event's name, a comment that keeps the connection, an empty line
            yield self._check_event(self._decode(text))

    def _check_event(self, event: Any) -> Json:
        if not isinstance(event, dict):
            raise self.error(f"an event that is no object: {_one_line(event)!r}")
        if problem := event.get("error"):
            detail = problem.get("message") if isinstance(problem, dict) else problem
            raise self.error(f"it broke the answer off: {_one_line(detail)}")
        return event

    def _read_line(self, response: HTTPResponse) -> bytes:
        try:
            line = response.readline(LARGEST_BYTES)
        except TimeoutError:
            raise self.error(
                f"it stopped in the middle of an answer, nothing for {self._timeout_s:g} s"
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise self.error(f"the connection broke off ({_reason(error)})") from None
        return line

    def _json(self, method: str, path: str, body: Json | None) -> Any:
        with closing(self._connect()) as connection:
            response = self._send(connection, method, path, body)
            try:
                content = response.read(LARGEST_BYTES)
            except TimeoutError:
                raise self.error(f"no answer within {self._timeout_s:g} s") from None
            except (OSError, HTTPException) as error:
                raise self.error(f"the connection broke off ({_reason(error)})") from None
        return self._decode(content)

    def _decode(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            start = _one_line(content[:80].decode(errors="replace"))
            problem = self.error(f"an answer that is no JSON, it begins {start!r}")
            raise NoJson(str(problem)) from None

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._secure else HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)

    def _send(
        self, connection: HTTPConnection, method: str, path: str, body: Json | None
    ) -> HTTPResponse:
        """The response, whose body is still to be read. A server that is busy is asked again for
        `BUSY_LIMIT_S` at most, as it says when."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self._authorization()}
        deadline = time.monotonic() + BUSY_LIMIT_S
        while True:
            response = self._try(connection, method, path, content, headers)
            if response.status < 300:
                return response
            wait_s = _wait_s(response.headers)
            refusal = self._refusal(response, path)
            if response.status not in _BUSY:
                raise refusal
            if time.monotonic() + wait_s > deadline:
                wish = f", it asks to wait {wait_s:g} s" if wait_s > SHORTEST_WAIT_S else ""
                raise Refused(f"{refusal}; busy too long{wish}", response.status)
            connection.close()
            time.sleep(wait_s)

    def _try(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> HTTPResponse:
        try:
            connection.request(method, self._prefix + path, body=content, headers=dict(headers))
            return connection.getresponse()
        except TimeoutError:
            raise self.error(f"no answer within {self._timeout_s:g} s") from None
        except HTTPException as error:
            raise self.error(f"an answer that is no HTTP ({_reason(error)})") from None
        except OSError as error:
            raise self.error(f"out of reach ({_reason(error)}); is the server running?") from None

    def _authorization(self) -> dict[str, str]:
        name = self._key_variable
        if not name:
            return {}
        key = os.environ.get(name, "").strip()
        if not key:
            raise self.error(f"the environment variable {name}, its key, is not set here")
        if not (key.isascii() and key.isprintable()):
            raise self.error(f"{name} holds characters that no key has")
        return {"Authorization": f"Bearer {key}"}

    def _refusal(self, response: HTTPResponse, path: str) -> Refused:
        status = response.status
        if status in (401, 403):
            name = self._key_variable
            hint = f"check {name}" if name else "name its key_variable"
            return Refused(f"{self.url}: it wants a key (HTTP {status}); {hint}", status)
        if 300 <= status < 400:
            return Refused(f"{self.url}: it redirects elsewhere; name that address", status)
        try:
            detail = _error_detail(response.read(4096))
        except (OSError, HTTPException):
            detail = ""
        detail = self._without_key(detail)
        return Refused(f"{self.url}{path}: HTTP {status} {detail}".rstrip(), status)

    def _without_key(self, text: str) -> str:
        """Servers repeat requests in their errors."""
        key = os.environ.get(self._key_variable, "").strip() if self._key_variable else ""
        return text.replace(key, "<key>") if key else text

    def error(self, problem: str) -> EngineError:
        """An error of this server."""
        return EngineError(self._without_key(f"{self.url}: {problem}"))


def _error_detail(content: bytes) -> str:
    """The message of an error in OpenAI's, Ollama's or FastAPI's form, else its beginning."""
    try:
        body = json.loads(content)
        problem = body.get("error", body.get("detail", body.get("message", body)))
        problem = problem.get("message", problem) if isinstance(problem, dict) else problem
    except (ValueError, AttributeError, RecursionError):
        problem = content.decode(errors="replace")
    return _one_line(problem)


def _reason(error: BaseException) -> str:
    return _one_line(getattr(error, "strerror", None) or error or type(error).__name__)


def _wait_s(headers: Any) -> float:
    try:
        return max(float(headers.get("Retry-After", 0)), SHORTEST_WAIT_S)
    except ValueError:
        return SHORTEST_WAIT_S


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200]

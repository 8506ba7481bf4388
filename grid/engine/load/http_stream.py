"""An HTTP/1.1 client for streamed answers that reads the clock when bytes arrive.

`asyncio.Protocol` has no layer between the socket and the clock: a library's stream reader wakes a
task for each chunk, and the time that the task waits would count as the server's. Only what a load
takes is spoken: POST and GET, bodies by length, in chunks or to the connection's end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from grid.errors import InputError

MOST_BYTES = 64 * 2**20
"""Bytes of one answer at most."""

MOST_HEAD_BYTES = 64 * 1024


class ServerAddress(msgspec.Struct, frozen=True):
    """Where a server listens; `base` is the path before that of its API."""

    host: str
    port: int
    secure: bool
    base: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(url: str) -> ServerAddress:
    """The parts of `http://host:port/base`. Raises InputError where it is no such address, or has a
    user or key in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError(f"{url!r} is no address; write http://HOST:PORT") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}: no user, key or query in the address; "
            "name the environment variable that holds the key"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no address; write http://HOST:PORT")
    secure = parts.scheme == "https"
    return ServerAddress(
        parts.hostname, port or (443 if secure else 80), secure, parts.path.rstrip("/")
    )


class HttpAnswer(msgspec.Struct):
    """What came back: pieces of the body with the time of each, in `perf_counter` seconds; `error`
    says what broke, empty where the answer is whole."""

    status: int = 0
    headers: dict[str, str] = {}
    pieces: list[tuple[float, bytes]] = []
    ended: float = 0.0
    error: str = ""

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.pieces)


class _HttpConnection(asyncio.Protocol):
    """One connection: at most one request at a time; kept open between them where it can be."""

    def __init__(self) -> None:
        self.is_open = self.timed_out = False
        self.transport: asyncio.Transport | None = None
        self._answer = HttpAnswer()
        self._done: asyncio.Future[HttpAnswer] | None = None
        self._buffer = b""
        self._bytes = 0
        self._in_body = False
        self._chunked = False
        self._left: int | None = None
        """Bytes to come of the body or of the chunk, None: to the connection's end."""
        self._keeps = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.is_open = transport, True

    def send(self, request: bytes) -> asyncio.Future[HttpAnswer]:
        """Send a request; the future has its answer, whole or broken."""
        assert self.transport
        self._answer = HttpAnswer(headers={}, pieces=[])
        self._done = asyncio.get_running_loop().create_future()
        self._buffer, self._bytes, self._in_body = b"", 0, False
        self._chunked, self._left, self._keeps = False, None, True
        self.transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._done is None:
            self.close()  # bytes that nobody asked for
            return
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            self._end(now, f"an answer of more than {MOST_BYTES // 2**20} MiB")
            return
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._read(now)
        except (ValueError, UnicodeError):
            self._end(now, "what came is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._done is None:
            return
        to_end = self._in_body and not self._chunked and self._left is None
        if to_end and exc is None:
            self._end(perf_counter())
        else:
            where = "mid-answer" if self._in_body else "before an answer"
            self._end(perf_counter(), f"the server closed the connection {where}")

    def time_out(self, reason: str) -> None:
        """End the request that runs, if any."""
        if self._done is not None:
            self.timed_out = True
            self._end(perf_counter(), reason)

    def close(self) -> None:
        self.is_open = False
        if self.transport is not None:
            self.transport.abort()

    def _read(self, now: float) -> None:
        if not self._in_body and not self._read_head():
            return
        if self._chunked:
            self._read_chunks(now)
            return
        data, self._buffer = self._buffer, b""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._answer.pieces.append((now, data))
        if self._left == 0:
            self._end(now)

    def _read_head(self) -> bool:
        """Read the status and the headers; False where they are not whole yet."""
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            if len(self._buffer) > MOST_HEAD_BYTES:
                raise ValueError
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, *_ = first.split(" ", 2)
        if not version.startswith("HTTP/1."):
            raise ValueError
        if int(status) == 100:
            self._buffer = body
            return self._read_head()
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._answer.status, self._answer.headers = int(status), headers
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left = int(headers["content-length"]) if "content-length" in headers else None
        if int(status) in (204, 304):
            self._left = 0
        if self._chunked:
            self._left = 0
        closes = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        self._keeps = not closes
        self._buffer, self._in_body = body, True
        return True

    def _read_chunks(self, now: float) -> None:
        """Take whole chunks off the buffer; each is a piece."""
        buffer, start = self._buffer, 0
        while True:
            line_end = buffer.find(b"\r\n", start)
            if line_end < 0:
                if len(buffer) - start > MOST_HEAD_BYTES:
                    raise ValueError
                break
            size = int(buffer[start:line_end].split(b";")[0], 16)
            first, last = line_end + 2, line_end + 2 + size
            if size == 0:
                if buffer.find(b"\r\n", first) < 0:
                    break
                self._end(now)  # trailers are not read; none are sent to a load
                return
            if size < 0:
                raise ValueError
            if len(buffer) < last + 2:
                break
            self._answer.pieces.append((now, buffer[first:last]))
            start = last + 2
        self._buffer = buffer[start:]

    def _end(self, now: float, error: str = "") -> None:
        answer, done = self._answer, self._done
        answer.ended, answer.error, self._done = now, error, None
        if error or not self._keeps:
            self.close()
        if done is not None and not done.done():
            done.set_result(answer)


class HttpClient:
    """Sends requests to one server over connections that it keeps open: an idle one is taken where
    there is one, else another is made."""

    def __init__(
        self, address: ServerAddress, headers: Mapping[str, str], secret: str = ""
    ) -> None:
        """`headers` go with each request; `secret` is taken out of errors, which some servers fill
        with what they refuse. Raises ValueError for a line break in a header."""
        if any(c in text for pair in headers.items() for text in pair for c in "\r\n\0"):
            raise ValueError("a header with a line break")
        self._address = address
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._secret = secret.encode()
        self._idle: list[_HttpConnection] = []
        self._ssl = ssl.create_default_context() if address.secure else None

    async def request(
        self, path: str, body: bytes | None = None, timeout_s: float = 60.0
    ) -> HttpAnswer:
        """The answer to a POST of a JSON body, or to a GET without one. Whatever fails is its
        `error`, in words; nothing is raised."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        head = self._head(path, body)
        while True:
            reused = bool(self._idle)
            try:
                connection = await asyncio.wait_for(self._connect(), timeout_s)
            except TimeoutError:
                return HttpAnswer(
                    ended=perf_counter(), error=f"no connection within {timeout_s:g} s"
                )
            except (OSError, ValueError) as error:
                return HttpAnswer(ended=perf_counter(), error=_connection_error(error))
            answer = await self._exchange(connection, head + (body or b""), deadline)
            if reused and answer.error and not answer.status and not connection.timed_out:
                continue  # the server closed a connection that it had kept open: no failure
            if self._secret and answer.status != 200:
                answer.pieces = [(answer.ended, answer.body.replace(self._secret, b"(the key)"))]
            return answer

    def _head(self, path: str, body: bytes | None) -> bytes:
        method = "GET" if body is None else "POST"
        length = (
            ""
            if body is None
            else (f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
        )
        return (
            f"{method} {self._address.base}{path} HTTP/1.1\r\nHost: {self._address.authority}\r\n"
            f"Accept: application/json, text/event-stream\r\n{self._headers}{length}\r\n"
        ).encode("latin-1")

    async def _connect(self) -> _HttpConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(
            _HttpConnection, self._address.host, self._address.port, ssl=self._ssl
        )
        return connection

    async def _exchange(
        self, connection: _HttpConnection, request: bytes, deadline: float
    ) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        limit_s = max(0.0, deadline - loop.time())
        timer = loop.call_at(deadline, connection.time_out, f"no whole answer in {limit_s:.3g} s")
        try:
            answer = await connection.send(request)
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            timer.cancel()
        if connection.is_open:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that are idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _connection_error(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__

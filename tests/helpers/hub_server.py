"""A stand-in of the hub on the loopback: the routes that huggingface_hub and datasets ask of models
and data sets, and failures.

    with HubServer() as hub:
        hub.add("owner/name", {"model.gguf": content})
        hub.break_off("model.gguf", 1000)    # the next answer ends after 1000 bytes
        hub.answering.clear()                # answers wait until it is set

Files that end like weights are kept as large files are on the hub: with a SHA-256 in the listing
and as their ETag; others with git's object id. `hub.requests` tells what was asked.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".gguf", ".safetensors", ".bin")
_TIMEOUT_S = 20.0
_NAME = r"([^/]+(?:/[^/]+)?)"
_INFO = re.compile(rf"/api/(?:models|datasets)/{_NAME}(?:/revision/([^/]+))?")
_TREE = re.compile(rf"/api/(?:models|datasets)/{_NAME}/(tree|paths-info)/([^/]+)/?(.*)")
_FILE = re.compile(rf"/(?:datasets/)?{_NAME}/resolve/([^/]+)/(.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Repository:
    """What is in it at its only commit; `gated` to those without `member`'s token."""

    files: dict[str, bytes]
    revisions: set[str] = field(default_factory=lambda: {"main"})
    gated: bool = False
    private: bool = False

    @property
    def commit(self) -> str:
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(self.files.items()):
            digest.update(f"{name} {git_id(content)}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Request:
    """One request as it came; `start` is the first byte asked for, None without a range."""

    method: str
    path: str
    start: int | None
    stop: int | None
    token: str


class HubServer:
    """A hub that listens on 127.0.0.1 as long as it is entered."""

    member = "hf_member"
    """The token that sees private and gated repositories."""
    outsider = "hf_known"
    """The token of somebody who was granted nothing."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.corrupt: set[str] = set()
        self.ignore_ranges = False
        self.answering = threading.Event()
        self.answering.set()
        self.request_came = threading.Event()
        self.statuses: list[int] = []
        self.cdn: HubServer | None = None
        self.body: bytes | None = None
        self._breaks: dict[str, list[int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_TIMEOUT_S)

    def add(self, repo: str, files: Mapping[str, bytes], **options: Any) -> Repository:
        """Put a repository there, or replace it."""
        self.repositories[repo] = Repository(dict(files), **options)
        return self.repositories[repo]

    def break_off(self, file: str, *after: int) -> None:
        """End the next answers for a file after so many bytes each; later ones are whole."""
        self._breaks.setdefault(file, []).extend(after)

    def requests_for(self, file: str, method: str = "GET") -> list[Request]:
        """The requests for a file's content."""
        return [
            request
            for request in self.requests
            if request.method == method and request.path.endswith(f"/{file}")
        ]

    def next_break(self, file: str) -> int | None:
        planned = self._breaks.get(file)
        return planned.pop(0) if planned else None


@lru_cache
def git_id(content: bytes) -> str:
    """What git calls a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@lru_cache
def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def etag_of(path: str, content: bytes) -> str:
    return sha256_of(content) if path.endswith(LARGE) else git_id(content)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_hub = hub

    return Handler


class _Handler(BaseHTTPRequestHandler):
    server_hub: HubServer
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    _form: Mapping[str, list[str]] = {}

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the tests look at `requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        self._form = parse_qs(self.rfile.read(length).decode()) if length else {}
        self._answer()

    def _answer(self) -> None:
        hub = self.server_hub
        path = urlsplit(self.path).path
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(match[1]) if match else None
        stop = int(match[2]) + 1 if match and match[2] else None
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        hub.requests.append(Request(self.command, unquote(path), start, stop, token))
        hub.request_came.set()
        hub.answering.wait(_TIMEOUT_S)
        if hub.statuses:
            self._send(hub.statuses.pop(0), b"out of order", {"Content-Type": "text/plain"})
        elif hub.body is not None:
            self._send(200, hub.body, {"Content-Type": "text/html"})
        elif info := _INFO.fullmatch(path):
            self._info(info[1], unquote(info[2] or "main"), token)
        elif tree := _TREE.fullmatch(path):
            self._tree(tree[1], tree[2], unquote(tree[3]), unquote(tree[4]), token)
        elif file := _FILE.fullmatch(path):
            self._file(file[1], unquote(file[2]), unquote(file[3]), token)
        else:
            self._fail(404, "", "Not Found")

    def _repository(self, name: str, revision: str, token: str) -> Repository | None:
        """The repository if it may be seen at that revision; else it is answered why not."""
        hub = self.server_hub
        repository = hub.repositories.get(name)
        if token and token not in (hub.member, hub.outsider):
            self._fail(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and token != hub.member):
            status = 404 if token else 401
            self._fail(status, "RepoNotFound", "Repository not found")
        elif revision not in (*repository.revisions, repository.commit):
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository
        return None

    def _info(self, name: str, revision: str, token: str) -> None:
        repository = self._repository(name, revision, token)
        if repository is None:
            return
        with_blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [
            _sibling(path, content, with_blobs) for path, content in repository.files.items()
        ]
        info = {
            "id": name,
            "sha": repository.commit,
            "gated": "manual" if repository.gated else False,
            "siblings": siblings,
        }
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _tree(self, name: str, route: str, revision: str, folder: str, token: str) -> None:
        """Files below a folder, or those that the request names."""
        repository = self._repository(name, revision, token)
        if repository is None:
            return
        wanted = set(self._form.get("paths", ())) if route == "paths-info" else None
        entries = [
            _entry(path, content)
            for path, content in repository.files.items()
            if (path in wanted if wanted is not None else path.startswith(folder))
        ]
        self._send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, revision: str, path: str, token: str) -> None:
        hub = self.server_hub
        repository = self._repository(name, revision, token)
        if repository is None:
            return
        if repository.gated and token != hub.member:
            self._fail(403 if token else 401, "GatedRepo", f"Access to {name} is restricted.")
        elif path not in repository.files:
            self._fail(404, "EntryNotFound", "Entry not found")
        else:
            self._content(repository, path)

    def _content(self, repository: Repository, path: str) -> None:
        hub, content = self.server_hub, repository.files[path]
        etag = f'"{etag_of(path, content)}"'
        headers = {"X-Repo-Commit": repository.commit, "ETag": etag, "Accept-Ranges": "bytes"}
        if path.endswith(LARGE):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        if hub.cdn is not None:
            self._send(302, b"", headers | {"Location": f"{hub.cdn.url}{self.path}"})
            return
        if path in hub.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        status = 200
        if match and not hub.ignore_ranges:
            start = int(match[1])
            stop = min(int(match[2]) + 1 if match[2] else len(content), len(content))
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            content = content[start:stop]
        broken = hub.next_break(path) if self.command == "GET" else None
        self._send(status, content, headers, broken)

    def _fail(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, "Content-Type": "application/json"}
        if code:
            headers["X-Error-Code"] = code
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(
        self, status: int, content: bytes, headers: Mapping[str, str], broken: int | None = None
    ) -> None:
        """The answer; with `broken` only so many bytes of it, then the connection is closed."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            if self.command != "HEAD":
                self.wfile.write(content if broken is None else content[:broken])
            if broken is not None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
        except OSError:
            self.close_connection = True


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": git_id(content)}


def _sibling(path: str, content: bytes, with_blobs: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": path}
    if with_blobs:
        sibling |= {"size": len(content), "blobId": git_id(content)}
        if path.endswith(LARGE):
            sibling["lfs"] = {
                "sha256": sha256_of(content),
                "size": len(content),
                "pointerSize": 134,
            }
    return sibling

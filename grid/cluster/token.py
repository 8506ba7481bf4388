"""The token that a cluster's nodes know each other by: a file that its owner alone may read."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

import msgspec

TOKEN_VARIABLE = "RAY_AUTH_TOKEN_PATH"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """A machine's token file without its content: whether there is one, whether others may read it,
    and a fingerprint that equal tokens share."""

    exists: bool = msgspec.field(name="there", default=False)
    readable: bool = False
    fingerprint: str = ""


def token_path() -> Path:
    """The file in which Ray looks for the token."""
    path = os.environ.get(TOKEN_VARIABLE)
    return Path(path) if path else Path.home() / ".ray" / "auth_token"


def token_state(path: Path | None = None) -> TokenState:
    """The state of this machine's token file."""
    path = path or token_path()
    try:
        mode, token = path.stat().st_mode, path.read_bytes().strip()
    except OSError:
        return TokenState()
    return TokenState(
        exists=bool(token), readable=bool(mode & _OTHERS), fingerprint=fingerprint(token)
    )


def tighten(path: Path | None = None) -> bool:
    """Take others' rights on the file away; returns whether they had any."""
    path = path or token_path()
    if not token_state(path).readable:
        return False
    path.chmod(0o600)
    return True


def fingerprint(token: bytes) -> str:
    """12 hex digits that say whether two tokens are equal, and nothing else of them."""
    return hmac.digest(token, b"quantgrid token", "sha256").hex()[:12] if token else ""

"""The token's file: who may read it, and whether two are equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.cluster.token import TOKEN_VARIABLE, TokenState, tighten, token_path, token_state


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "auth_token"
    path.write_text("ab" * 32)
    path.chmod(0o644)
    return path


def test_token_file_that_others_may_read_is_tightened(token: Path) -> None:
    assert token_state(token).readable
    assert tighten(token)
    assert token.stat().st_mode & 0o777 == 0o600
    assert not token_state(token).readable
    assert not tighten(token)


def test_equal_tokens_have_equal_fingerprints(token: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other"
    copy.write_text("ab" * 32 + "\n")
    assert token_state(copy).fingerprint == token_state(token).fingerprint
    copy.write_text("cd" * 32)
    assert token_state(copy).fingerprint != token_state(token).fingerprint


def test_token_state_does_not_reveal_the_token(token: Path) -> None:
    assert token.read_text() not in repr(token_state(token))


def test_missing_token_file_is_an_empty_state(tmp_path: Path) -> None:
    assert token_state(tmp_path / "none") == TokenState()
    assert not tighten(tmp_path / "none")


def test_token_path_follows_rays_variable(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, str(token))
    assert token_path() == token

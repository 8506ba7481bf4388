"""Errors of the hub and the network as one line that says what went wrong and what to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from grid.errors import GridError, InputError
from grid.models.hub.address import Address

_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


class RemotePath(NamedTuple):
    """A repository, or a file in it, as error lines name it: without its revision."""

    repo: str
    file: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        return str(Address(self.repo, self.file))


@contextmanager
def translate_hub_errors(remote: RemotePath, kind: type[GridError]) -> Iterator[None]:
    """Raise errors of huggingface_hub and of the network as `kind`, with one line."""
    import httpx2
    from huggingface_hub import errors

    errors_of_hub = (
        errors.OfflineModeIsEnabled,
        errors.EntryNotFoundError,
        errors.FileMetadataError,
        errors.LocalTokenNotFoundError,
        errors.XetDownloadError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
    )
    try:
        yield
    except errors_of_hub as error:
        raise kind(describe_error(remote, error)) from error


@contextmanager
def translate_parse_errors(remote: RemotePath) -> Iterator[None]:
    """Raise InputError, one line, where an answer cannot be read: no hub sent it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{remote}: what {_host()} answers is not a hub's answer ({_one_line(error)}); check "
            "HF_ENDPOINT, and that no proxy or login page answers instead"
        ) from error


def describe_error(remote: RemotePath, error: Exception) -> str:
    """The message for an error of huggingface_hub or of its HTTP client."""
    import httpx2
    from huggingface_hub import errors

    match error:
        case errors.OfflineModeIsEnabled():
            return f"{remote}: HF_HUB_OFFLINE is set; unset it to ask the hub"
        case errors.GatedRepoError():
            return _describe_gated(remote)
        case errors.DisabledRepoError():
            return f"{remote}: the hub has disabled this repository; choose another"
        case errors.RevisionNotFoundError():
            return (
                f"hf:{remote.repo} has no revision {remote.revision!r}; name a branch, a tag or a "
                "commit, or leave it out for the default branch"
            )
        case errors.RemoteEntryNotFoundError():
            return f"{remote}: the file is not there at {remote.revision}; look into the repository"
        case errors.RepositoryNotFoundError():
            return _describe_not_found(remote)
        case errors.HfHubHTTPError():
            return _describe_status(remote, error)
        case httpx2.TimeoutException():
            return (
                f"{remote}: {_host()} does not answer in time; try again with a higher "
                "HF_HUB_DOWNLOAD_TIMEOUT, or set HF_HUB_OFFLINE=1 to use what is in the cache"
            )
        case httpx2.TransportError():
            return (
                f"{remote}: cannot reach {_host()} ({_one_line(error)}); check the network and "
                "HF_ENDPOINT, or set HF_HUB_OFFLINE=1 to use what is in the cache"
            )
        case errors.LocalEntryNotFoundError() if isinstance(error.__cause__, Exception):
            return describe_error(remote, error.__cause__)
    return f"{remote}: {_one_line(error)}; try again, or check HF_ENDPOINT"


def _describe_gated(remote: RemotePath) -> str:
    page = f"{_endpoint()}/{remote.repo}"
    if _has_token():
        return (
            f"{remote}: hf:{remote.repo} is gated, and your account has no access; accept its "
            f"terms at {page} and wait until it is granted"
        )
    return f"{remote}: hf:{remote.repo} is gated; accept its terms at {page}, then {_LOG_IN}"


def _describe_not_found(remote: RemotePath) -> str:
    """The hub answers the same for what is private and for what does not exist."""
    if _has_token():
        return (
            f"hf:{remote.repo}: no such repository, or your account may not see it; check the name "
            f"at {_endpoint()}/{remote.repo}"
        )
    return (
        f"hf:{remote.repo}: no such repository, or it is private; check the name, and if it is "
        f"private {_LOG_IN}"
    )


def _describe_status(remote: RemotePath, error: Any) -> str:
    code = int(error.response.status_code)
    reason = _one_line(error.server_message or error.response.reason_phrase)
    if code == 401:
        return f"{remote}: {_host()} does not accept the token ({reason}); {_LOG_IN} again"
    if code == 403:
        return f"{remote}: {_host()} refuses ({reason}); {_LOG_IN} of an account with access"
    if code == 429:
        return f"{remote}: too many requests; wait a few minutes, or {_LOG_IN}"
    if code >= 500:
        return f"{remote}: {_host()} has a problem of its own ({code} {reason}); try again later"
    return f"{remote}: {_host()} answers {code} {reason}; check the name and HF_ENDPOINT"


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _host() -> str:
    return _endpoint().partition("//")[2] or _endpoint()


def _one_line(text: object) -> str:
    """One line of at most 200 characters."""
    return " ".join(str(text).split())[:200] or type(text).__name__

"""An ask for advice as written on a command line, read into numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grid.advice import RATES, Ask
from grid.errors import InputError
from grid.units import parse_bytes, parse_seconds

LEAST_BANDWIDTH, MOST_BANDWIDTH = 1e8, 1e14
"""Bytes/s between which the memory of any machine lies: 0.1 GB/s to 100 TB/s."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """The options of `grid recommend`, as written."""

    hardware: str | None = None
    chip: str | None = None
    memory: str | None = None
    bandwidth: str | None = None
    platform: str | None = None
    reserved: str | None = None
    context: int | None = None
    kv: str = "f16"
    prompt: int = 512
    min_decode: str | None = None
    max_ttft: str | None = None
    use: str = "balanced"
    weights: str | None = None
    min_share: str | None = None
    max_size: str | None = None
    imported: bool = False


def ask_of(words: Words) -> Ask:
    """Raises InputError, one line naming the option, for what cannot be read."""
    return Ask(
        hardware=words.hardware,
        chip=words.chip,
        memory_bytes=_read("--memory", words.memory, parse_bytes),
        bandwidth_bytes_s=_read("--bandwidth", words.bandwidth, _bandwidth),
        platform=words.platform,
        reserved_bytes=_read("--reserved", words.reserved, parse_bytes),
        context=words.context,
        kv_type=words.kv,
        prompt=words.prompt,
        min_decode_tps=_read("--min-decode", words.min_decode, _rate),
        max_ttft_s=_read("--max-ttft", words.max_ttft, parse_seconds),
        min_share=_read("--min-share", words.min_share, _share),
        max_bytes=_read("--max-size", words.max_size, parse_bytes),
        use=words.use,
        weights=_weights(words.weights) if words.weights is not None else {},
        imported=words.imported,
    )


def _read(option: str, text: str | None, read: Callable[[str], float]) -> float | None:
    if text is None:
        return None
    try:
        return read(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a number") from None


def _bandwidth(text: str) -> float:
    rate = float(parse_bytes(text.strip().removesuffix("/s")))
    if not LEAST_BANDWIDTH <= rate <= MOST_BANDWIDTH:
        raise InputError(f"{text!r} is no memory's bandwidth; give it with its unit, as 400GB/s")
    return rate


def _rate(text: str) -> float:
    named = {name.replace(" ", "-"): rate for name, rate in RATES.items()}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        known = ", ".join(named)
        raise InputError(f"{text!r} is neither a rate in token/s nor one of {known}") from None


def _share(text: str) -> float:
    return float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)


def _weights(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = (one.strip() for one in part.partition("="))
        try:
            found[name] = float(weight)
        except ValueError:
            raise InputError(f"--weights: {part!r} is not CLASS=NUMBER, such as math=2") from None
    return found

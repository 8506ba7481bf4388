"""Where a row of llama-bench ran: the processor, or those of the machine's cards that its options
leave to it. Reports list all cards of the machine, whatever was chosen of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from grid.cells.cell import Options

_NO_CARDS = ("", "cpu", "blas", "rpc", "accelerate")
_KINDS = {"mtl": "metal", "hip": "rocm", "gpuopencl": "opencl"}
_DEVICE = re.compile(r"([A-Za-z]+)(\d{0,3})")


def card_backends(backends: str) -> list[str]:
    """`BLAS,MTL` -> [`metal`]: what a build can compute with beside the processor."""
    present = [name.strip().lower() for name in backends.split(",")]
    return [_KINDS.get(name, name) for name in present if name not in _NO_CARDS]


def device_of(backends: str, options: Options) -> str:
    """What computed a row: of the backends of the build that which its devices name, else the
    first; `cpu` for no layer on a card, `unknown` for devices of several kinds or machines."""
    if options.get("gpu_layers") == 0 or options.get("devices") == "none":
        return "cpu"
    chosen = {kind for kind, _ in _devices(options)}
    if chosen:
        return chosen.pop() if len(chosen) == 1 and "rpc" not in chosen else "unknown"
    return next(iter(card_backends(backends)), "cpu")


def used_cards(cards: Mapping[int, str], options: Options, all_kinds: int = 1) -> str:
    """The names of the cards that the options leave, `A, B`, of all that a report lists by number;
    empty where that cannot be said. `all_kinds` is how many backends the list is of."""
    names = [name for _, name in sorted(cards.items())]
    numbers = _numbers(options)
    if numbers is None or not names:
        return ", ".join(names)
    if len(set(names)) == 1 and all_kinds == 1:
        return ", ".join(names[:1] * len(numbers)) if len(numbers) <= len(names) else ""
    if all_kinds > 1 or not numbers or not set(numbers) <= cards.keys():
        return ""
    return ", ".join(cards[number] for number in numbers)


def _numbers(options: Options) -> Sequence[int] | None:
    """The numbers of the cards that the options choose; None where they leave all."""
    devices = _devices(options)
    if devices:
        numbers = [number for kind, number in devices if kind != "rpc"]
        return numbers if len(numbers) == len(devices) else []
    if options.get("split_mode") == "none":
        main = options.get("main_gpu", 0)
        return [main] if isinstance(main, int) else []
    shares = str(options.get("tensor_split", "")).replace(";", "/").split("/")
    used = [at for at, share in enumerate(shares) if share.strip("0. ")]
    return used or None


def _devices(options: Options) -> list[tuple[str, int]]:
    """(kind, number) of the devices that a row names, `CUDA0/CUDA1`; none for all."""
    written = str(options.get("devices", ""))
    matches = (_DEVICE.match(name.strip()) for name in written.split("/") if written != "none")
    kinds = [(match[1].lower(), int(match[2] or 0)) for match in matches if match]
    return [(_KINDS.get(kind, kind), number) for kind, number in kinds if kind != "auto"]

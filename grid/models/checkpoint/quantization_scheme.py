"""Quantization: what a checkpoint's configuration declares of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec


class ModuleScheme(NamedTuple):
    """How a group of modules is stored: `bits` a weight, `group` weights a scale (None: no groups).

    `targets` are module names, `re:` and a pattern that a name begins with, or a class of layers
    such as `Linear`, as compressed-tensors writes them.
    """

    targets: tuple[str, ...]
    bits: int
    group: int | None

    def names(self, module: str) -> bool:
        """Whether a target is the module's name or a pattern for it; a pattern that is none names
        nothing."""
        return any(_names(target, module) for target in self.targets)

    @property
    def names_a_class(self) -> bool:
        """Whether a target is a class of layers, such as `Linear`."""
        return any(target.isidentifier() and target[0].isupper() for target in self.targets)


def _names(target: str, module: str) -> bool:
    if not target.startswith("re:"):
        return target == module
    try:
        return re.match(target.removeprefix("re:"), module) is not None
    except re.error:
        return False


class Quantization(msgspec.Struct, frozen=True, kw_only=True):
    """A declared quantization: `format` is what a backend reads, `quant` its name (the same for
    the same weights everywhere).

    `bits` and `group` are those of most layers (None: the method has none; group -1: a whole
    column); `block`: weights that one code stands for (AQLM). `overrides`: single layers differ.
    """

    format: str
    quant: str
    bits: int | None = None
    group: int | None = None
    block: int = 1
    layout: str = ""
    """The method's own name of how tensors are packed, such as `gemm`, `nf4`, `pack-quantized`."""
    overrides: bool = False
    groups: Mapping[str, int] = {}
    """Group of the modules that have their own (MLX)."""
    module_schemes: tuple[ModuleScheme, ...] = ()
    """What each group of modules is stored in, where there are several (compressed-tensors)."""
    where: str = ""
    """File that declares it, for error lines."""

    def schemes_of(self, module: str) -> tuple[ModuleScheme, ...]:
        """The schemes that may be a module's: the first that names it, else those of a class of
        layers, else all."""
        named = [scheme for scheme in self.module_schemes if scheme.names(module)]
        of_classes = [scheme for scheme in self.module_schemes if scheme.names_a_class]
        return tuple(named[:1] or of_classes) or self.module_schemes

"""One name for one quantization, whichever plugin makes or reads it.

Readers of checkpoints and recipes both build their names here, so that the same weights are called
the same in every engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def gptq_name(bits: int, group: int, desc_act: bool = False, sym: bool = True) -> str:
    """`gptq-w4g128`; `-act`: columns in order of activation; `-asym`: with zero points."""
    return (
        _bits_and_group("gptq", bits, group)
        + ("-act" if desc_act else "")
        + ("" if sym else "-asym")
    )


def awq_name(bits: int, group: int, zero_point: bool = True) -> str:
    """`awq-w4g128`; AWQ has zero points unless it is `-sym`."""
    return _bits_and_group("awq", bits, group) + ("" if zero_point else "-sym")


def bnb_name(kind: str, double_quant: bool = False) -> str:
    """`bnb-nf4`, `bnb-fp4`, `bnb-int8`; `-dq`: the scales are quantized too."""
    return f"bnb-{kind}" + ("-dq" if double_quant else "")


def mlx_name(bits: int, group: int, mode: str = "affine", mixed: bool = False) -> str:
    """`mlx-4bit-g64`; other modes by their name, `mlx-mxfp4`; `-mixed`: some layers differ."""
    name = f"mlx-{bits}bit-g{group}" if mode == "affine" else f"mlx-{mode}"
    return name + ("-mixed" if mixed else "")


def hqq_name(bits: int, group: int | None) -> str:
    """`hqq-4bit-g64`; without groups one scale a column, `hqq-4bit-gcol`."""
    return f"hqq-{bits}bit-g{'col' if group in (None, -1) else group}"


def aqlm_name(codebooks: int, codebook_bits: int, group: int) -> str:
    """`aqlm-2bit-1x16`: one codebook of 16 bits for groups of 8 weights (in x out)."""
    bits = codebooks * codebook_bits / group
    return f"aqlm-{bits:g}bit-{codebooks}x{codebook_bits}"


def fp8_name() -> str:
    """`fp8`: 8-bit floats with scales beside them."""
    return "fp8"


def torchao_name(kind: str, group: int | None = None, dtype: str = "") -> str:
    """torchao's short form of its configuration: `Int8WeightOnlyConfig` and `int8_weight_only`
    are both `torchao-int8wo`. `Intx...` takes its bits from `dtype` (`int4`: `torchao-intx4wo`); a
    group size is appended, `torchao-int4wo-g128`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.removesuffix("Config")).lower()
    words = words.replace("_weight_only", "wo").replace("_dynamic_activation", "da")
    words = words.removesuffix("_weight") + ("w" if words.endswith("_weight") else "")
    words = words.replace("intx", f"intx{dtype.removeprefix('u').removeprefix('int')}")
    return f"torchao-{words.replace('_', '-')}" + (f"-g{group}" if group and group > 0 else "")


def compressed_name(
    layout: str,
    bits: int | None,
    group: int | None,
    sym: bool = True,
    activation: int | None = None,
) -> str:
    """`ct-pack-quantized-w4g128`, `ct-int-quantized-w8a8`: compressed-tensors' own name of the
    layout, bits of weights, group where there is one, bits of activations where quantized."""
    width = "" if bits is None else f"-w{bits}"
    grouped = f"g{group}" if group and group > 0 else ""
    active = "" if activation is None else f"a{activation}"
    return f"ct-{layout}{width}{grouped}{active}" + ("" if sym else "-asym")


def compressed_kind(
    layout: str, number_type: str, bits: int, group: int | None, activation: int | None
) -> str:
    """One group of a mix: `nvfp4`, `mxfp4`, `fp8`, `w4g128`; `a8` where activations are 8 bits."""
    packed_float = next((name for name in ("nvfp4", "mxfp4", "mxfp8") if name in layout), "")
    grouped = f"g{group}" if group and group > 0 else ""
    kind = packed_float or (f"fp{bits}" if number_type == "float" else f"w{bits}{grouped}")
    return kind + ("" if activation is None else f"a{activation}")


def compressed_mixed_name(kinds: Iterable[str]) -> str:
    """`ct-mixed-fp8-nvfp4`: the kinds of the groups in the order of the configuration."""
    return "ct-mixed-" + "-".join(kinds)


def _bits_and_group(method: str, bits: int, group: int) -> str:
    return f"{method}-w{bits}g{'col' if group == -1 else group}"

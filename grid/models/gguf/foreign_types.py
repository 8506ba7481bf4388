"""Tensor types of GGUF files that llama.cpp does not read: those of its forks, and its own of old.

Their numbers lie outside llama.cpp's, or were its own once. A good file is not called damaged where
its type has a name here.
"""

from __future__ import annotations

from typing import NamedTuple

_IK = "ik_llama.cpp"
_BITNET = "bitnet.cpp"
_OLD = "a llama.cpp before 2025"
_OLDEST = "a llama.cpp of spring 2023"


class ForeignType(NamedTuple):
    """A type that only another engine, or an older one, reads."""

    name: str
    maker: str

    @property
    def hint(self) -> str:
        """What a user can do about it."""
        if self.maker in (_OLD, _OLDEST):
            return "llama.cpp reads it no longer; get the model in another quant, such as Q4_0"
        return f"run it in {self.maker}, or get the model in a quant of llama.cpp's own"


_IK_NAMES = {
    133: "Q6_0", 134: "IQ1_BN", 135: "IQ2_BN", 136: "Q8_K64", 137: "IQ2_K", 138: "IQ3_K",
    139: "IQ4_K", 140: "IQ5_K", 141: "IQ6_K", 144: "IQ4_KS", 145: "IQ2_KS", 146: "IQ4_KSS",
    147: "Q8_K16", 148: "Q8_K32", 149: "Q8_KR8", 150: "Q8_K128", 151: "Q8_KV", 152: "IQ5_KS",
    153: "IQ2_KT", 154: "IQ3_KT", 155: "IQ4_KT", 156: "IQ3_KS", 157: "IQ2_KL", 158: "IQ1_KT",
    202: "Q4_0_R8", 206: "Q5_0_R4", 208: "Q8_0_R8", 210: "Q2_K_R4", 211: "Q3_K_R4",
    212: "Q4_K_R4", 213: "Q5_K_R4", 214: "Q6_K_R4", 216: "IQ2_XXS_R4", 217: "IQ2_XS_R4",
    218: "IQ3_XXS_R4", 219: "IQ1_S_R4", 220: "IQ4_NL_R4", 221: "IQ3_S_R4", 222: "IQ2_S_R4",
    223: "IQ4_XS_R8", 229: "IQ1_M_R4", 230: "BF16_R16", 233: "Q6_0_R4", 335: "IQ2_BN_R4",
    337: "IQ2_K_R4", 338: "IQ3_K_R4", 339: "IQ4_K_R4", 340: "IQ5_K_R4", 344: "IQ4_KS_R4",
    352: "IQ5_KS_R4", 398: "Q8_KV_R8", 399: "Q8_K_R8",
}  # fmt: skip
_BITNET_NAMES = {36: "I2_S", 37: "I8_S", 38: "TL1"}
"""llama.cpp used these numbers for IQ4_NL_4_4 to IQ4_NL_8_8 for a few months; no such file is
known to be shared, bitnet.cpp's are."""
_OLD_NAMES = {31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8"}
_OLDEST_NAMES = {4: "Q4_2", 5: "Q4_3"}

FOREIGN_TYPES: dict[int, ForeignType] = {
    number: ForeignType(name, maker)
    for names, maker in (
        (_IK_NAMES, _IK),
        (_BITNET_NAMES, _BITNET),
        (_OLD_NAMES, _OLD),
        (_OLDEST_NAMES, _OLDEST),
    )
    for number, name in names.items()
}
"""By number in the file, as each maker's ggml.h numbers them."""

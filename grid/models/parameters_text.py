"""Parameters and experts of a model in words."""

from __future__ import annotations

from grid.models.weight_parts import Experts

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def parameters_text(
    parameters: int, active: int | None, experts: Experts | None = None, *, by_name: bool = False
) -> str:
    """`30.5B parameters, 3.04B for a token: 8 of 128 experts in 48 layers`; of a dense model just
    the parameters, nothing where they are not known. `by_name`: a name alone tells them."""
    if not parameters:
        return ""
    text = f"{count_text(parameters)} parameters"
    if experts is None and not by_name:
        return text
    text += f", {count_text(active) if active else 'an unknown part of them'} for a token"
    if experts is not None:
        text += f": {_experts_text(experts)}"
    return f"{text} (by its name)" if by_name else text


def count_text(count: int) -> str:
    """`30.5B`, `135M`."""
    unit, letter = next(((u, name) for u, name in _UNITS if count >= 0.9995 * u), (1, ""))
    return f"{count / unit:.3g}{letter}"


def _experts_text(experts: Experts) -> str:
    used = "an unknown number" if experts.used is None else str(experts.used)
    text = f"{used} of {experts.count} experts"
    text += f" and {experts.shared} shared" if experts.shared else ""
    text += f" in {experts.layers} layers" if experts.layers else ""
    dense = experts.leading_dense
    return text + (f" after {dense} dense" if dense else "")

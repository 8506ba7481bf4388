"""Read compressed-tensors' quantization_config: a scheme for each group of modules."""

from __future__ import annotations

from grid.models.checkpoint import quantization_names as names
from grid.models.checkpoint.quantization_fields import QuantizationFields
from grid.models.checkpoint.quantization_scheme import ModuleScheme, Quantization

_FORMAT = "compressed-tensors"


def read_compressed(fields: QuantizationFields) -> Quantization:
    """The quantization; with several groups of modules each has bits and a group of its own.

    Raises InputError without a format or without readable bits where there are several groups.
    """
    sections = fields.section("config_groups")
    groups = [sections.section(key) for key in sections.values]
    layout = fields.text("format") or (groups[0].text("format") if groups else "")
    if not layout:
        raise fields.error("compressed-tensors without a format")
    quants = {_name(group, layout) for group in groups}
    if len(quants) > 1:
        return _mixed(groups, layout)
    first = groups[0] if groups else QuantizationFields(fields.where, {})
    weights = first.section("weights")
    return Quantization(
        format=_FORMAT,
        quant=_name(first, layout),
        bits=weights.integer("num_bits"),
        group=weights.integer("group_size"),
        layout=_layout(first, layout),
        overrides=len(groups) > 1,
    )


def _mixed(groups: list[QuantizationFields], layout: str) -> Quantization:
    schemes = tuple(_scheme(group) for group in groups)
    bits, sizes = {scheme.bits for scheme in schemes}, {scheme.group for scheme in schemes}
    kinds = dict.fromkeys(_kind(group, layout) for group in groups)
    return Quantization(
        format=_FORMAT,
        quant=names.compressed_mixed_name(kinds),
        bits=bits.pop() if len(bits) == 1 else None,
        group=sizes.pop() if len(sizes) == 1 else None,
        layout=layout,
        overrides=True,
        module_schemes=schemes,
    )


def _layout(group: QuantizationFields, whole: str) -> str:
    """A group's own format; that of the whole file says only that there are several."""
    return group.text("format") or whole


def _name(group: QuantizationFields, whole: str) -> str:
    weights, inputs = group.section("weights"), group.section("input_activations")
    return names.compressed_name(
        _layout(group, whole),
        weights.integer("num_bits"),
        weights.integer("group_size"),
        weights.flag("symmetric", True),
        inputs.integer("num_bits"),
    )


def _kind(group: QuantizationFields, whole: str) -> str:
    """Short form of one group's scheme: `nvfp4`, `fp8`, `w4g128`, with `a8` for activations."""
    weights, inputs = group.section("weights"), group.section("input_activations")
    return names.compressed_kind(
        _layout(group, whole),
        weights.text("type"),
        weights.require("num_bits"),
        weights.integer("group_size"),
        inputs.integer("num_bits"),
    )


def _scheme(group: QuantizationFields) -> ModuleScheme:
    weights, targets = group.section("weights"), group.values.get("targets")
    bits = weights.require("num_bits")
    if not 1 <= bits <= 16:
        raise group.error(f"weights of {bits} bits; 1 to 16 are possible")
    names_of_targets = tuple(map(str, targets)) if isinstance(targets, list) else ()
    return ModuleScheme(names_of_targets, bits, weights.integer("group_size"))

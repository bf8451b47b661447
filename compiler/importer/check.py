"""Each call against ONNX's own schema: no unknown attribute is ever skipped silently."""

import onnx
from onnx import defs

from thresher.compiler.importer.domains import STANDARD_DOMAINS, dialect_op
from thresher.compiler.importer.scope import Call

__all__ = ["check_call"]

_DIALECT_TYPES: dict[str, type | tuple[type, ...]] = {
    "signed": int,
    "narrow": int,
    "rounding_mode": str,
    "out_scale": (int, float),
    "out_bias": (int, float),
    "data_layout": str,
}
_EXPORT_AGAIN = "export the model again, or correct the node"


def check_call(call: Call) -> None:
    """Check number of inputs and outputs, and attributes, of a call.

    :raises ModelError: the operator is not in the model's opset, or the node breaks its schema.
    """
    if call.domain not in STANDARD_DOMAINS:
        _check_dialect(call)
        return
    try:
        schema = defs.get_schema(call.op, call.opset, "")
    except defs.SchemaError as e:
        rule = f"unsupported operator: opset {call.opset} does not have it"
        raise call.error(rule, _EXPORT_AGAIN) from e
    unknown = sorted(set(call.attrs) - set(schema.attributes))
    if unknown:
        raise call.error(f"unknown attribute {unknown[0]}", _EXPORT_AGAIN)
    for item in call.proto.attribute:
        wanted = str(schema.attributes[item.name].type).rpartition(".")[2]
        found = onnx.AttributeProto.AttributeType.Name(item.type)
        if found != wanted:
            raise call.error(f"attribute {item.name} must be {wanted}, not {found}", _EXPORT_AGAIN)
    for name, attribute in sorted(schema.attributes.items()):
        if attribute.required and name not in call.attrs:
            raise call.error(f"attribute {name} is missing", _EXPORT_AGAIN)
    _check_count(call, "inputs", len(call.inputs), schema.min_input, schema.max_input)
    _check_count(call, "outputs", len(call.outputs), schema.min_output, schema.max_output)
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    for position, formal in enumerate(schema.inputs[: len(call.inputs)]):
        if formal.option == single and not call.inputs[position]:
            raise call.error(f"input {formal.name} is missing", _EXPORT_AGAIN)


def _check_dialect(call: Call) -> None:
    """Types of the attributes that QONNX and FINN give their operators."""
    for name, value in call.attrs.items():
        wanted = _DIALECT_TYPES.get(name, object)
        if dialect_op(call.domain, call.op) and not isinstance(value, wanted):
            kind = "number" if wanted is not str else "string"
            raise call.error(f"attribute {name} must be a {kind}, not {value!r}", _EXPORT_AGAIN)


def _check_count(call: Call, what: str, count: int, low: int, high: int) -> None:
    if not low <= count <= high:
        span = f"{low}" if low == high else f"{low} to {high}"
        raise call.error(f"number of {what} must be {span}, not {count}", _EXPORT_AGAIN)

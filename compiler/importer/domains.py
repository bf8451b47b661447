"""Where the quantisation operators of QONNX and FINN live."""

__all__ = ["DIALECT_DOMAINS", "DIALECT_OPS", "STANDARD_DOMAINS", "dialect_op"]

STANDARD_DOMAINS = ("", "ai.onnx")
DIALECT_DOMAINS = (
    "qonnx.custom_op.general",
    "onnx.brevitas",
    "finn.custom_op.general",
    "finn",
)
DIALECT_OPS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold")


def dialect_op(domain: str, op: str) -> bool:
    """Whether an operator is one of QONNX's or FINN's that Thresher knows."""
    return domain in DIALECT_DOMAINS and op in DIALECT_OPS

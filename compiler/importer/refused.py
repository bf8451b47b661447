"""Operators that are refused on purpose, each with what to do instead."""

from thresher.compiler.importer.rules import unsupported

__all__ = ["INTEGER_OPS", "RECURRENT_OPS"]

RECURRENT_OPS = ("LSTM", "GRU", "RNN")
INTEGER_OPS = (
    "MatMulInteger",
    "ConvInteger",
    "QLinearMatMul",
    "QLinearConv",
    "DynamicQuantizeLinear",
)

unsupported(
    "export with thresher.quant.export_onnx, or write the recurrence as a Scan with quantisers",
    *RECURRENT_OPS,
)
unsupported("write the recurrence as a Scan", "Loop")
unsupported("export a model without data-dependent branches", "If")
unsupported(
    "export as QCDQ: the float operator between DequantizeLinear and QuantizeLinear", *INTEGER_OPS
)
unsupported("leave it to the host: compile the model up to its input", "Softmax", "LogSoftmax")

"""The integer graph: nodes, intervals, the golden interpreter, text and ONNX printers."""

__all__: list[str] = []

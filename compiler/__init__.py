"""From an ONNX file to an integer graph to a scheduled design."""

__all__: list[str] = []

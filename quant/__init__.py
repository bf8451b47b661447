"""The PyTorch side: export of Brevitas modules to ONNX."""

from thresher.quant.errors import ExportError
from thresher.quant.export import export_onnx

__all__ = ["ExportError", "export_onnx"]

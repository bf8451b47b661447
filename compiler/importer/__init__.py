"""ONNX in three dialects (QCDQ, QONNX, FINN-ONNX) to one `Graph`.

`load_model` reads the file, `import_model` also brings it to the vocabulary of
`thresher.compiler.graph`, one lowering rule for each operator, recursively inside Scan bodies.
What a consumer may rely on:

- Names of tensors and of nodes are unique in the whole model, bodies included.
- Standard operators have the attributes and inputs of ONNX's newest opset, all of them, whatever
  the file's opset: see `standard`, `spatial` and `scan`. Absent optional inputs are "".
- No Gemm, BatchNormalization, Sum, Constant or Dropout is left; Min and Max have two inputs;
  Identity is left only where an output of the outermost graph renames a tensor.
- Standard operators on constants alone are folded; Quantize and Dequantize on constants are not.
- Scales are positive float32 constants: a scalar, or an array that broadcasts against the data.
"""

import thresher.compiler.importer.batchnorm as batchnorm
import thresher.compiler.importer.gemm as gemm
import thresher.compiler.importer.qcdq as qcdq
import thresher.compiler.importer.qonnx as qonnx
import thresher.compiler.importer.refused as refused
import thresher.compiler.importer.scan as scan
import thresher.compiler.importer.spatial as spatial
import thresher.compiler.importer.standard as standard
import thresher.compiler.importer.trivial as trivial
from thresher.compiler.importer.graphs import import_model
from thresher.compiler.importer.load import MAX_OPSET, MIN_OPSET, load_model
from thresher.compiler.importer.qonnx import multithreshold_axis
from thresher.compiler.importer.rounding import ROUNDING
from thresher.compiler.importer.rules import supported_ops
from thresher.compiler.importer.standard import ELEMENTWISE, onnx_name

__all__ = [
    "ELEMENTWISE",
    "MAX_OPSET",
    "MIN_OPSET",
    "ROUNDING",
    "SUPPORTED_OPS",
    "import_model",
    "load_model",
    "multithreshold_axis",
    "onnx_name",
]

RULE_MODULES = (batchnorm, gemm, qcdq, qonnx, refused, scan, spatial, standard, trivial)
"""The modules that register lowering rules when they are imported."""

SUPPORTED_OPS: tuple[str, ...] = supported_ops()
"""Every ONNX, QONNX and FINN operator that `import_model` accepts."""

"""The oracle of `verify`: the model file itself, run by software that is not Thresher's.

`Reference` runs a model of standard operators in onnxruntime; one that holds operators of QONNX
or FINN, in onnx's ReferenceEvaluator with those operators added.
"""

from thresher.compiler.reference.operators import bipolar_quant, multithreshold, quant, trunc
from thresher.compiler.reference.runner import Reference

__all__ = ["Reference", "bipolar_quant", "multithreshold", "quant", "trunc"]

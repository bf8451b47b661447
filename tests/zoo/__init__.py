"""Small quantised models of every kind the compiler must take, built with onnx.helper alone.

`names()` lists them, `load(name)` builds one (cached; treat it as read-only); `recurrent`, `mlp`,
`finn_mlp`, `int_input` and `trunc` build others. `zoo.bad` has models to refuse, `zoo.run` oracles.
"""

from zoo.builder import Quantiser, ZooModel
from zoo.feedforward import int_input, mlp, trunc
from zoo.finn import finn_mlp
from zoo.models import load, names
from zoo.recurrent import recurrent
from zoo.run import probe, run_ort, run_qonnx

__all__ = [
    "Quantiser",
    "ZooModel",
    "finn_mlp",
    "int_input",
    "load",
    "mlp",
    "names",
    "probe",
    "recurrent",
    "run_ort",
    "run_qonnx",
    "trunc",
]

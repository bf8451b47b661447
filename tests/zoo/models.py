"""The named models: one entry for each thing that a model in the wild may do."""

from collections.abc import Callable
from functools import cache, partial

from zoo.builder import BREVITAS, ZooModel
from zoo.convnets import CONVNETS
from zoo.feedforward import int_input, mlp, trunc, turned
from zoo.finn import finn_mlp
from zoo.recurrent import recurrent

__all__ = ["MODELS", "load", "names"]

LSTM, GRU, RNN = ("lstm",), ("gru",), ("rnn_tanh",)

RECURRENT: dict[str, dict[str, object]] = {
    "lstm": {},
    "lstm_float_scales": {"pow2": False},
    "lstm_8bit": {"bits": 8, "hidden": 12},
    "lstm_8bit_float_scales": {"bits": 8, "pow2": False},
    "lstm_4bit": {"bits": 4, "weight_bits": 3},
    "lstm_2bit_weights": {"bits": 5, "weight_bits": 2},
    "lstm_narrow": {"bits": 8, "narrow": True},
    "lstm_no_clip": {"bits": 8, "weight_bits": 8, "clip": False, "weights": "graph"},
    "lstm_one_step": {"steps": 1, "init": "const"},
    "lstm_captured": {"capture": True},
    "lstm_captured_graph": {"capture": True, "weights": "graph", "matmul": "transpose"},
    "lstm_float_weights": {"weights": "float"},
    "lstm_graph_weights": {"weights": "graph"},
    "lstm_per_channel": {"per_channel": True, "bias": "int32"},
    "lstm_per_channel_float_scales": {"per_channel": True, "pow2": False},
    "lstm_int32_bias": {"bias": "int32"},
    "lstm_no_bias": {"bias": "none", "pow2": False},
    "lstm_column": {"matmul": "column"},
    "lstm_column_per_channel": {"matmul": "column", "per_channel": True, "bias": "int32"},
    "lstm_gemm": {"matmul": "gemm"},
    "lstm_transpose": {"matmul": "transpose", "bias": "int32"},
    "lstm_init_const": {"init": "const"},
    "lstm_init_input": {"init": "input"},
    "lstm_init_raw": {"init": "raw"},
    "lstm_init_shape": {"init": "shape", "symbolic_batch": True},
    "lstm_symbolic": {"symbolic_seq": True, "symbolic_batch": True},
    "lstm_batch_first": {"batch_first": "transpose"},
    "lstm_batch_axis": {"batch_first": "axis", "symbolic_batch": True},
    "lstm_reverse": {"direction": "reverse"},
    "lstm_bidirectional": {"direction": "both", "outputs": ("y", "h", "c")},
    "lstm_bidirectional_init": {"direction": "both", "init": "input", "symbolic_seq": True},
    "lstm_steps_alone": {"outputs": ("y",)},
    "lstm_finals_alone": {"outputs": ("h", "c")},
    "lstm_cell_alone": {"outputs": ("c",)},
    "lstm_wide_state": {"wide_state": True, "outputs": ("y", "h", "c")},
    "lstm_wide_state_float_scales": {"wide_state": True, "pow2": False},
    "lstm_wide_state_init": {"wide_state": True, "init": "input"},
    "lstm_quantise_inside": {"quantise_inside": True},
    "lstm_coarse_input": {"x_ratio": 4},
    "lstm_linear": {"head": "linear", "outputs": ()},
    "lstm_argmax": {"head": "argmax", "outputs": ()},
    "cifg": {"cells": ("cifg",)},
    "cifg_float_scales": {"cells": ("cifg",), "pow2": False},
    "gru": {"cells": GRU},
    "gru_float_scales": {"cells": GRU, "pow2": False},
    "gru_gemm_captured": {"cells": GRU, "matmul": "gemm", "capture": True},
    "gru_column": {"cells": GRU, "matmul": "column", "weights": "float"},
    "gru_before": {"cells": ("gru_before",)},
    "gru_before_float_scales": {"cells": ("gru_before",), "pow2": False},
    "rnn_tanh": {"cells": RNN},
    "rnn_tanh_float_scales": {"cells": RNN, "pow2": False, "direction": "reverse"},
    "rnn_relu": {"cells": ("rnn_relu",)},
    "rnn_relu_float_scales": {"cells": ("rnn_relu",), "pow2": False},
    "stacked_lstm": {"cells": ("lstm", "lstm")},
    "stacked_gru_lstm": {"cells": ("gru", "lstm"), "pow2": False, "init": "input"},
    "stacked_rnn_gru": {"cells": ("rnn_tanh", "gru_before"), "symbolic_seq": True},
    "qonnx_lstm": {"dialect": "qonnx"},
    "qonnx_lstm_float_scales": {"dialect": "qonnx", "pow2": False, "weights": "graph"},
    "qonnx_lstm_brevitas": {"dialect": "qonnx", "domain": BREVITAS, "capture": True},
    "qonnx_gru": {"dialect": "qonnx", "cells": GRU, "bias": "int32"},
}

MODELS: dict[str, Callable[[], ZooModel]] = {
    **{name: partial(recurrent, name, **how) for name, how in RECURRENT.items()},  # type: ignore[arg-type]
    "mlp": partial(mlp, "mlp"),
    "mlp_float_scales": partial(mlp, "mlp_float_scales", pow2=False),
    "mlp_8bit": partial(mlp, "mlp_8bit", bits=8, weights="graph", bias="float"),
    "mlp_int4": partial(mlp, "mlp_int4", bits=4, int4=True),
    "mlp_symbolic_batch": partial(mlp, "mlp_symbolic_batch", symbolic_batch=True),
    "mlp_plain": partial(mlp, "mlp_plain", batch_norm=False, residual=False, bias="none"),
    "qonnx_mlp": partial(mlp, "qonnx_mlp", dialect="qonnx", weights="graph"),
    "qonnx_mlp_float_scales": partial(
        mlp, "qonnx_mlp_float_scales", dialect="qonnx", weights="graph", pow2=False
    ),
    "qonnx_mlp_brevitas": partial(mlp, "qonnx_mlp_brevitas", dialect="qonnx", domain=BREVITAS),
    "qonnx_mlp_bipolar": partial(mlp, "qonnx_mlp_bipolar", dialect="qonnx", bipolar=True),
    "qonnx_mlp_floor": partial(mlp, "qonnx_mlp_floor", dialect="qonnx", rounding="FLOOR"),
    "qonnx_trunc": partial(trunc, "qonnx_trunc"),
    "qonnx_trunc_round": partial(trunc, "qonnx_trunc_round", rounding="ROUND", pow2=False),
    "qonnx_trunc_v2": partial(trunc, "qonnx_trunc_v2", version=2),
    "finn_mlp": partial(finn_mlp, "finn_mlp"),
    "finn_mlp_argmax": partial(finn_mlp, "finn_mlp_argmax", head="argmax", pow2=False),
    "finn_mlp_logits": partial(finn_mlp, "finn_mlp_logits", head="", image=True),
    "finn_mlp_bipolar": partial(finn_mlp, "finn_mlp_bipolar", bipolar=True, head=""),
    "finn_mlp_integer_input": partial(
        finn_mlp, "finn_mlp_integer_input", float_input=False, head=""
    ),
    "int_input_cast": partial(int_input, "int_input_cast"),
    "int_input_dequantize": partial(int_input, "int_input_dequantize", how="dequantize"),
    "int_input_float_scales": partial(
        int_input, "int_input_float_scales", how="dequantize", pow2=False
    ),
    "mlp_turned": partial(turned, "mlp_turned"),
    **CONVNETS,
}


def names(prefix: str = "", standard: bool | None = None) -> list[str]:
    """Names of the models; by default all.

    :param prefix: only those that start so.
    :param standard: only those that onnxruntime can run (True), or cannot (False).
    """
    found = [name for name in MODELS if name.startswith(prefix)]
    return [n for n in found if standard is None or load(n).standard == standard]


@cache
def load(name: str) -> ZooModel:
    """The model of that name; the same object every time, so leave it unchanged."""
    return MODELS[name]()

"""The float functions at a model's edges, as `model.json` writes them, computed with NumPy alone.

Three forms. `{"nodes": [...]}` is a float32 expression: each node is the leaf (the array), a
constant, or an operator on earlier nodes; the last is the value. Every operator here is one that
IEEE 754 rounds correctly, so the result is the compiler's to the last bit. `{"table": ...}` has the
values of an expression with other operators at each code. `{"unavailable": [operators]}` has
neither: whoever needs it is told what to do instead.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from thresher.boards.host.errors import InputError

__all__ = ["LEAF", "OPERATORS", "Function", "load_array", "load_function", "save_array"]

Function = Callable[[np.ndarray], np.ndarray]

LEAF, _CONSTANT = "leaf", "constant"
_F = np.float32
_ORDER = {"float32": "<f4", "float64": "<f8"}


def save_array(array: np.ndarray) -> dict[str, object]:
    """A float array for JSON, exact to the bit."""
    name = array.dtype.name
    data = base64.b64encode(np.ascontiguousarray(array, _ORDER[name]).tobytes())
    return {"dtype": name, "shape": list(array.shape), "data": data.decode()}


def load_array(saved: Mapping[str, Any]) -> np.ndarray:
    """What `save_array` gave."""
    data = np.frombuffer(base64.b64decode(saved["data"]), _ORDER[saved["dtype"]])
    return data.reshape(tuple(saved["shape"])).astype(saved["dtype"])


def load_function(saved: Mapping[str, Any], name: str, instead: str) -> Function:
    """The function that `model.json` holds.

    :param name: of the input or output, for the refusal.
    :param instead: what to do where the function is not available.
    """
    if "nodes" in saved:
        return _expression(saved["nodes"])
    if "table" in saved:
        return _table(saved["table"])

    def refuse(_: np.ndarray) -> np.ndarray:
        operators = ", ".join(saved["unavailable"])
        raise InputError(
            f"'{name}' needs {operators}, which NumPy does not compute to the model's last bit; "
            f"{instead}"
        )

    return refuse


def _expression(nodes: Sequence[Mapping[str, Any]]) -> Function:
    constants = {k: load_array(n[_CONSTANT]) for k, n in enumerate(nodes) if _CONSTANT in n}

    def evaluate(leaf: np.ndarray) -> np.ndarray:
        values: list[np.ndarray] = []
        with np.errstate(all="ignore"):
            for k, node in enumerate(nodes):
                if k in constants:
                    values.append(constants[k])
                elif LEAF in node:
                    values.append(leaf.astype(_F))
                else:
                    args = [values[i] for i in node["args"]]
                    value = OPERATORS[node["op"]](node.get("attrs", {}), *args)
                    values.append(np.asarray(value, dtype=_F))
        return values[-1]

    return evaluate


def _table(table: Mapping[str, Any]) -> Function:
    lo, values = int(table["lo"]), load_array(table["values"])
    rows = values.reshape(len(values), -1)
    channel = np.arange(rows.shape[1]).reshape(values.shape[1:])
    return lambda codes: rows[codes - lo, channel]


def _away(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.ceil(np.abs(x))


def _half_up(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.floor(np.abs(x) + _F(0.5))


def _half_down(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.ceil(np.abs(x) - _F(0.5))


_ROUND: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away,
    "DOWN": np.trunc,
    "HALF_UP": _half_up,
    "HALF_DOWN": _half_down,
}

Attrs = Mapping[str, Any]


def _quantize(attrs: Attrs, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    lo, hi, rounded = _F(attrs["lo"]), _F(attrs["hi"]), _ROUND[attrs.get("rounding", "ROUND")]
    q = x / scale
    return rounded(np.clip(q, lo, hi)) if attrs.get("clip_first") else np.clip(rounded(q), lo, hi)


def _trunc(attrs: Attrs, x: np.ndarray, scale: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    codes = _ROUND[attrs["rounding"]](np.rint(x / scale) / divisor)
    return codes if attrs["lo"] is None else np.clip(codes, _F(attrs["lo"]), _F(attrs["hi"]))


def _multi_threshold(_: Attrs, x: np.ndarray, *thresholds: np.ndarray) -> np.ndarray:
    count = np.zeros(x.shape, _F)
    for t in thresholds:
        count = count + (x >= t).astype(_F)
    return count


def _scale(_: Attrs, x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return (x.astype(np.float64) * factor).astype(_F)


def _plain(function: Any) -> Callable[..., np.ndarray]:
    """An operator without attributes."""
    return lambda _, *args: np.asarray(function(*args))


OPERATORS: Mapping[str, Callable[..., np.ndarray]] = {
    "Quantize": _quantize,
    "Trunc": _trunc,
    "MultiThreshold": _multi_threshold,
    "Scale": _scale,
    **{
        name: _plain(function)
        for name, function in {
            "Identity": np.asarray,
            "Add": np.add,
            "Sub": np.subtract,
            "Mul": np.multiply,
            "Div": np.divide,
            "Neg": np.negative,
            "Abs": np.abs,
            "Relu": lambda x: np.maximum(x, _F(0)),
            "Round": np.rint,
            "Floor": np.floor,
            "Ceil": np.ceil,
            "Sqrt": np.sqrt,
            "Reciprocal": lambda x: _F(1) / x,
            "Min": np.minimum,
            "Max": np.maximum,
            "Clip": lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
            "Sign": lambda x: np.where(x >= 0, _F(1), _F(-1)),
            "Signum": np.sign,
            "Where": lambda c, x, y: np.where(c != 0, x, y),
            "Greater": np.greater,
            "GreaterOrEqual": np.greater_equal,
            "Less": np.less,
            "LessOrEqual": np.less_equal,
            "Equal": np.equal,
            "And": lambda a, b: (a != 0) & (b != 0),
            "Or": lambda a, b: (a != 0) | (b != 0),
            "Xor": lambda a, b: (a != 0) ^ (b != 0),
            "Not": lambda a: a == 0,
        }.items()
    },
}
"""Operators by the name that the compiler has for them: (attributes, arguments) -> value."""

"""The rounding modes of QONNX's Quant and Trunc, in the arithmetic of their float input."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

__all__ = ["ROUNDING", "rounding_name"]

Rounder = Callable[[np.ndarray], np.ndarray]


def _up(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.ceil(np.abs(x))


def _half_up(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.floor(np.abs(x) + np.asarray(0.5, x.dtype))


def _half_down(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.ceil(np.abs(x) - np.asarray(0.5, x.dtype))


ROUNDING: Mapping[str, Rounder] = MappingProxyType(
    {
        "ROUND": np.round,  # half to even
        "CEIL": np.ceil,
        "FLOOR": np.floor,
        "UP": _up,  # away from zero
        "DOWN": np.trunc,  # towards zero
        "HALF_UP": _half_up,  # half away from zero
        "HALF_DOWN": _half_down,  # half towards zero
    }
)
"""Every rounding mode by the name that `Graph` uses; each keeps shape and dtype."""

_SYNONYMS = {"HALF_EVEN": "ROUND", "ROUND_TO_ZERO": "DOWN"}


def rounding_name(mode: str) -> str | None:
    """The name in `ROUNDING` of a mode as a model spells it; None where there is none."""
    upper = mode.upper()
    name = _SYNONYMS.get(upper, upper)
    return name if name in ROUNDING else None

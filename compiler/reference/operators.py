"""The operators of QONNX and FINN in NumPy, as qonnx 1.0 computes them, in its order.

The tests compare each with `qonnx.custom_op.general`, bit for bit.
"""

import numpy as np

from thresher.compiler.importer.qonnx import multithreshold_axis
from thresher.compiler.importer.rounding import ROUNDING, rounding_name

__all__ = ["bipolar_quant", "multithreshold", "quant", "trunc"]


def quant(
    x: np.ndarray,
    scale: np.ndarray,
    zeropt: np.ndarray,
    bitwidth: np.ndarray,
    *,
    signed: int = 1,
    narrow: int = 1,
    rounding_mode: str = "ROUND",
) -> np.ndarray:
    """Quant and IntQuant: clip, then round, then back to x's units.

    :param x: any shape; scale and zeropt broadcast against it; bitwidth has one element.
    :raises ValueError: an unknown rounding mode.
    """
    codes = x / scale + zeropt
    if bitwidth == 1 and signed:
        codes = np.where(codes >= 0, np.float32(1), np.float32(-1))
    else:
        codes = _round(_clip(codes, bitwidth, bool(signed), bool(narrow)), rounding_mode)
    return np.asarray((codes - zeropt) * scale, np.float32)


def bipolar_quant(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """BipolarQuant: +scale where x >= 0, else -scale."""
    return np.asarray(np.where(x >= 0, np.float32(1), np.float32(-1)) * scale, np.float32)


def trunc(
    x: np.ndarray,
    scale: np.ndarray,
    zeropt: np.ndarray,
    in_bits: np.ndarray,
    *more: np.ndarray,
    rounding_mode: str = "FLOOR",
    signed: int = 1,
    narrow: int = 0,
) -> np.ndarray:
    """Trunc: drop low bits of codes.

    :param more: out_bits (version 1: by 2^(in_bits - out_bits), not clipped), or out_scale and
        out_bits (version 2: by the power of two next to out_scale / scale, clipped to out_bits).
    :raises ValueError: an unknown rounding mode.
    """
    codes = np.round(x / scale + zeropt)
    if len(more) == 1:
        codes = _round(codes / 2.0 ** (in_bits - more[0]), rounding_mode)
        return np.asarray((codes - zeropt) * scale, np.float32)
    out_scale, out_bits = more
    divisor = 2 ** np.round(np.log2(out_scale / scale))
    clipped = _clip(codes / divisor, out_bits, bool(signed), bool(narrow))
    codes = _round(clipped, rounding_mode)
    return np.asarray((codes - zeropt / divisor) * out_scale, np.float32)


def multithreshold(
    x: np.ndarray,
    thresholds: np.ndarray,
    *,
    out_scale: float = 1.0,
    out_bias: float = 0.0,
    data_layout: str = "",
    out_dtype: str = "",
) -> np.ndarray:
    """MultiThreshold: out_scale · #{k : thresholds[c, k] <= x} + out_bias.

    :param thresholds: shape (channels, steps), or (1, steps) for all channels.
    :param out_dtype: FINN's name of the output's type; it changes no value.
    :raises ValueError: the channels of x and thresholds differ.
    """
    axis = multithreshold_axis(data_layout, x.ndim)
    moved = np.moveaxis(x, axis, -1)
    if thresholds.shape[0] not in (1, moved.shape[-1]):
        raise ValueError(
            f"thresholds must have 1 or {moved.shape[-1]} channels, not {thresholds.shape[0]}"
        )
    counts = np.count_nonzero(moved[..., np.newaxis] >= thresholds, axis=-1).astype(x.dtype)
    return np.asarray(out_scale * np.moveaxis(counts, -1, axis) + out_bias)


def _clip(codes: np.ndarray, bits: np.ndarray, signed: bool, narrow: bool) -> np.ndarray:
    if signed:
        low, high = -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    else:
        low, high = 0 * bits, 2**bits - 1 - narrow
    dtype = codes.dtype
    clipped = np.where(codes > high, np.asarray(high, dtype), codes)
    return np.where(clipped < low, np.asarray(low, dtype), clipped)


def _round(codes: np.ndarray, mode: str) -> np.ndarray:
    name = rounding_name(mode)
    if name is None:
        raise ValueError(f"rounding_mode must be one of {', '.join(ROUNDING)}, not {mode!r}")
    return ROUNDING[name](codes)

"""What a Brevitas quantiser does, read from the live module as plain numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from brevitas.proxy import ActQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from thresher.quant.errors import ExportError

__all__ = ["QuantArray", "Quantizer", "read_array", "read_quantizer"]


@dataclass(frozen=True)
class Quantizer:
    """A per-tensor uniform quantiser: round(x / scale) half to even, saturate, zero point 0.

    :param scale: float32 step, above 0.
    :param bits: 2 to 8.
    :param signed: whether codes may be negative.
    :param narrow: whether the lowest (signed) or highest (unsigned) code is left out.
    """

    scale: np.float32
    bits: int
    signed: bool
    narrow: bool

    @property
    def lo(self) -> int:
        """Lowest code."""
        return -(1 << self.bits - 1) + self.narrow if self.signed else 0

    @property
    def hi(self) -> int:
        """Highest code."""
        return (1 << self.bits - 1) - 1 if self.signed else (1 << self.bits) - 1 - self.narrow

    @property
    def dtype(self) -> type[np.int8] | type[np.uint8]:
        """The ONNX type that holds the codes."""
        return np.int8 if self.signed else np.uint8

    @property
    def needs_clip(self) -> bool:
        """Whether the codes are fewer than the type's."""
        info = np.iinfo(self.dtype)
        return (self.lo, self.hi) != (info.min, info.max)


@dataclass(frozen=True)
class QuantArray:
    """A constant as integer codes times a scale.

    :param codes: integer array, int8 or int32.
    :param scale: float32, 0-d, or 1-d along `axis`.
    :param axis: the axis of a 1-d scale.
    """

    codes: np.ndarray
    scale: np.ndarray
    axis: int = 0


def read_quantizer(proxy: nn.Module, where: str) -> Quantizer:
    """Read an activation quantiser.

    :raises ExportError: where the quantiser is absent, is not per tensor, or its scale is unusable.
    """
    if not isinstance(proxy, ActQuantProxyFromInjector) or not proxy.is_quant_enabled:
        raise ExportError(
            where,
            "every quantiser of a QuantLSTM must be an enabled integer quantiser, and this one is "
            "not, so the layer would compute in float",
            "give the layer a quantiser for each of io, gate_acc, sigmoid, tanh and cell_state",
        )
    with torch.no_grad():
        scale, bits = proxy.scale(), proxy.bit_width()
    if scale is None or scale.numel() != 1:
        shape = None if scale is None else tuple(scale.shape)
        raise ExportError(
            where,
            f"the scale must be per tensor inside a QuantLSTM, not of shape {shape}",
            "set scaling_per_output to TENSOR",
        )
    return Quantizer(
        scale=np.float32(scale.item()),
        bits=int(bits.item()),
        signed=bool(proxy.is_signed),
        narrow=bool(proxy.is_narrow_range),
    )


def read_array(value: Tensor, axis: int, where: str) -> QuantArray:
    """Read a quantised constant and prove that codes times scale is what Brevitas multiplies with.

    :param value: an `IntQuantTensor`.
    :param axis: the channel axis of a per-channel scale.
    :raises ExportError: where the value is not an exact multiple of its scale.
    """
    if not isinstance(value, IntQuantTensor):
        raise ExportError(
            where, "the weights must be quantised, not float", "give the layer a weight_quant"
        )
    codes = value.int(float_datatype=False).detach().cpu().numpy()
    scale = value.scale.detach().cpu().numpy().astype(np.float32).reshape(-1)
    shape = [1] * codes.ndim
    if scale.size > 1:
        if scale.size != codes.shape[axis]:
            raise ExportError(
                where,
                f"a scale must be per tensor or per output channel, not {scale.size} values for "
                f"{codes.shape[axis]} channels",
                "set scaling_per_output to TENSOR or CHANNEL",
            )
        shape[axis] = -1
    exact = codes.astype(np.float32) * scale.reshape(shape)
    if not np.array_equal(exact, value.value.detach().cpu().numpy()):
        raise ExportError(
            where,
            "the value must be integer codes times a scale, and it is not",
            "use a uniform integer quantiser with zero point 0",
        )
    wide = value.bit_width is None or value.bit_width.item() > 8 or np.abs(codes).max() > 128
    return QuantArray(
        codes.astype(np.int32 if wide else np.int8),
        scale.reshape(()) if scale.size == 1 else scale,
        axis,
    )

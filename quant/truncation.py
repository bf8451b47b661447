"""Truncating quantisers (TruncAvgPool2d, TruncAdaptiveAvgPool2d) in operators of ONNX's own.

Brevitas' QCDQ export makes one quantiser of a truncation. Brevitas itself first rounds to the sum's
own grid, then divides by a power of two, then rounds or floors: what the average lost in float32
never decides. So those steps are written out: Div, Round, Div, Round or Floor, Clip, Mul.
"""

from collections.abc import Callable

import torch
from brevitas.export.onnx.handler import ONNXBaseHandler
from brevitas.function.ops import max_int, min_int
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from torch import Tensor

__all__ = ["ROUNDINGS", "TruncationHandler"]

ROUNDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "ROUND": torch.round,
    "FLOOR": torch.floor,
    "CEIL": torch.ceil,
}
"""What ONNX has, by Brevitas' name."""


class TruncationHandler(ONNXBaseHandler):
    """Computes what the proxy's `tensor_quant` does, from functions that the exporter traces."""

    handled_layer = TruncQuantProxyFromInjector

    def prepare_for_export(self, module: TruncQuantProxyFromInjector) -> None:
        if module.is_quant_enabled:
            self.quant = module.tensor_quant
            self.narrow = module.is_narrow_range
            self.rounding = ROUNDINGS[str(module.rounding_mode).upper()]

    def symbolic_execution(
        self, x: Tensor, scale: Tensor, zero_point: Tensor, input_bit_width: Tensor, signed: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scale, input_bit_width = _constant(scale), _constant(input_bit_width)
        bits = _constant(self.quant.msb_clamp_bit_width_impl())
        divisor = _constant(self.quant.trunc_scaling_impl(x, input_bit_width, bits, signed))
        low, high = (f(signed, self.narrow, bits).item() for f in (min_int, max_int))
        codes = self.rounding(torch.round(x / scale) / divisor).clamp(low, high)
        return codes * (scale * divisor), scale * divisor, zero_point, bits


def _constant(value: Tensor) -> Tensor:
    """The tensor as the tracer sees a number."""
    return torch.from_numpy(value.detach().numpy().copy())

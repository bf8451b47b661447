"""What the forms of steps that calculate share: their argument's sign and the saturation."""

from amaranth.hdl import Cat, Const, Module, Mux, Value

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register
from thresher.rtl.steppipeline import StepPipeline

__all__ = ["saturated", "saturation_resources", "signed_argument"]


def signed_argument(value: Value, inverted: bool) -> Value:
    """The value with a sign bit, which an unsigned one does not have; inverted: -1 - value."""
    result = value if value.shape().signed else Cat(value, Const(0, 1)).as_signed()
    return ~result if inverted else result


def saturated(
    m: Module,
    value: Value,
    limits: tuple[int, int],
    pipeline: StepPipeline,
    enable: Value,
    name: str,
) -> Value:
    """A register with the value, clipped to the results of `pipeline`.

    :param limits: the least and the greatest value; what cannot happen costs nothing.
    """
    lo, hi = pipeline.function.out_lo, pipeline.function.out_hi
    result = value
    if limits[1] > hi:
        result = Mux(value > hi, hi, result)
    if limits[0] < lo:
        result = Mux(value < lo, lo, result)
    bits = signed_argument(result, inverted=False)[: pipeline.shape.width]
    return register(m, bits.as_signed() if pipeline.shape.signed else bits, enable, name)


def saturation_resources(limits: tuple[int, int], pipeline: StepPipeline) -> Resources:
    """The estimate for `saturated`."""
    lo, hi = pipeline.function.out_lo, pipeline.function.out_hi
    width = element_shape(*limits).width
    sides = (limits[1] > hi) + (limits[0] < lo)
    compare = -(-max(0, width - pipeline.shape.width + 2) // 5)
    lut = compare + pipeline.shape.width if sides else 0
    return Resources(lut=lut, ff=pipeline.shape.width)

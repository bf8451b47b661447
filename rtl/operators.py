"""Sums and products of two variables: what the synthesiser makes of them."""

from amaranth.hdl import Shape

from thresher.rtl.kernel import Resources

__all__ = ["in_dsp", "soft_product", "sum_luts"]

_LEAST_PRODUCT, _LEAST_OPERAND = 9, 2
_FEW_PARTS = 3


def in_dsp(a: Shape, b: Shape, width: int) -> bool:
    """Whether Yosys makes a DSP block of `a * b`, of which `width` bits are used.

    Its rule for xc7 (`DSP_Y_MINWIDTH`, `DSP_A_MINWIDTH`) sees operands of one sign: an unsigned
    one beside a signed one has a zero bit more.
    """
    mixed = a.signed != b.signed
    least = min(shape.width + (mixed and not shape.signed) for shape in (a, b))
    return width >= _LEAST_PRODUCT and least >= _LEAST_OPERAND


def soft_product(a: Shape, b: Shape) -> Resources:
    """The estimate for a product in LUTs, without its register.

    Each adder of partial products has their AND gates in its LUTs; four of them and more are
    compressed first, which takes half as many again.
    """
    bits = a.width * b.width
    return Resources(lut=bits if min(a.width, b.width) <= _FEW_PARTS else -(-3 * bits // 2))


def sum_luts(op: str, a: tuple[Shape, int], b: tuple[Shape, int], width: int) -> int:
    """LUTs for `width` bits of ``(a << shift_a) op (b << shift_b)``: one where both operands vary.

    Below the higher shift the other operand's bits pass, unless they are subtracted. Above an
    unsigned operand an addend passes too; above both, all sign bits share one LUT.

    :param op: "add", "sub" or "rsub".
    :param a: shape and shift.
    """
    ends = [shape.width + shift for shape, shift in (a, b)]
    end = max(ends)
    if op == "add":
        end = min((e for e, (s, _) in zip(ends, (a, b), strict=True) if not s.signed), default=end)
    lower, higher = sorted((a, b), key=lambda operand: operand[1])
    subtracted = {"add": None, "sub": b, "rsub": a}[op]
    start = lower[1] if lower is subtracted else higher[1]
    return max(0, min(end, width) - start)

"""Products of two variables built from LUTs and carry chains, without a DSP.

The factor with fewer of them is taken in digits of radix 4 (Booth, 1951; MacSorley, 1961),
d[k] = b[2k-1] + b[2k] - 2 b[2k+1] in -2..2, and each row d[k] * a is a selection: of 0, a, 2a, or
where d[k] < 0 of their complements, which is one too little. Selecting and adding to another row
takes a LUT of six inputs and its carry (Walters, 2016), so a row costs about as many LUTs as `a`
has bits.

What the complements lack is added where it costs nothing: of the rows l before and r behind digit
k, l + 4**(k+1) * r has two low bits free, at the weight of digit k, which hold that it is negative.
The last digit's one is added to the upper bits of row 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value

from thresher.rtl.kernel import Resources, element_shape
from thresher.rtl.registers import register

__all__ = ["lut_product", "lut_product_resources", "lut_product_stages"]

_LEVELS_A_STAGE = 2  # levels of adders
_WITHOUT_CHAIN = 6  # bits of an increment that LUTs do as well as a carry chain
_LONG = 20  # bits of a chain that leave no time for a second one

Interval = tuple[int, int]


@dataclass(frozen=True)
class _Sum:
    """A sum of neighbouring rows, in units of the first one's weight.

    :param digits: rows in it.
    :param borrow: 1 where the last row is one too little.
    """

    value: Value
    lo: int
    hi: int
    digits: int
    borrow: Value


def _digits(interval: Interval) -> int:
    shape = element_shape(*interval)
    return (shape.width + (0 if shape.signed else 1) + 1) // 2


def _swapped(a: Interval, b: Interval) -> bool:
    """Whether a is the factor that is taken in digits."""
    return _digits(a) < _digits(b)


def lut_product_stages(a: Interval, b: Interval) -> int:
    """Register stages of the product of two factors in these intervals."""
    return len(_levels(*((b, a) if _swapped(a, b) else (a, b))))


def _levels(a: Interval, b: Interval) -> list[int]:
    """Levels of sums of rows in each stage, where b is taken in digits."""
    digits = _digits(b)
    depth = (digits - 1).bit_length()
    width = element_shape(min(a[0], -1), a[1]).width + 1
    most = _LEVELS_A_STAGE if width <= _LONG else 1
    chained = width + 1 - 2 * (digits - 1) > _WITHOUT_CHAIN  # the first row's increment
    found = [min(depth, most - chained)]
    while sum(found) < depth:
        found.append(min(depth - sum(found), most))
    return found


def lut_product(
    m: Module,
    a: Value,
    b: Value,
    *,
    ends: tuple[Interval, Interval],
    enables: Sequence[Value],
    name: str,
) -> Value:
    """Add the product of `a` and `b` to `m`.

    :param ends: least and greatest value of `a` and of `b`.
    :param enables: one per register stage, as many as `lut_product_stages` says.
    :returns: a register that holds the product.
    """
    lo, hi = _bounds(*ends)
    if _swapped(*ends):
        a, b, ends = b, a, (ends[1], ends[0])
    level = _rows(m, a, b, ends, name)
    for stage, (enable, levels) in enumerate(zip(enables, _levels(*ends), strict=True)):
        for _ in range(levels):
            level = _joined(level)
        if len(level) == 1:
            level = [replace(level[0], value=_cut(level[0].value, element_shape(lo, hi)))]
        level = [
            replace(
                s,
                value=register(m, s.value, enable, f"{name}_{stage}_{k}"),
                borrow=register(m, s.borrow, enable, f"{name}_borrow{stage}_{k}"),
            )
            for k, s in enumerate(level)
        ]
    assert len(level) == 1
    return level[0].value


def _bounds(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def _cut(value: Value, shape: Shape) -> Value:
    bits = value[: shape.width]
    return bits.as_signed() if shape.signed else bits


def _rows(m: Module, a: Value, b: Value, ends: tuple[Interval, Interval], name: str) -> list[_Sum]:
    """A row per digit of b, the first one with what the last one lacks."""
    most = 2 * max(abs(end) for end in ends[0])
    width = len(a) + (1 if a.shape().signed else 2)
    wide = Signal(width, name=f"{name}_factor")
    m.d.comb += wide.eq(a)
    rows = []
    for k in range(_digits(ends[1])):
        below, even, odd = (_bit(b, n) for n in (2 * k - 1, 2 * k, 2 * k + 1))
        once, twice, negative = (
            Signal(name=f"{name}_{part}{k}") for part in ("once", "twice", "negative")
        )
        m.d.comb += [
            once.eq(even ^ below),
            twice.eq((even == below) & (odd != even)),
            negative.eq(odd & ~(even & below)),
        ]
        row = Signal(Shape(width, True), name=f"{name}_row{k}")
        multiple = (once.replicate(width) & wide) | (twice.replicate(width) & wide << 1)
        m.d.comb += row.eq(multiple ^ negative.replicate(width))
        rows.append(_Sum(row, -most - 1, most, 1, negative))
    last = len(rows) - 1
    first = _incremented(rows[0].value, 2 * last, rows[last].borrow)
    rows[0] = replace(rows[0], value=first, hi=most + 4**last)
    rows[last] = replace(rows[last], borrow=Const(0, 1))
    return rows


def _bit(value: Value, n: int) -> Value:
    """Bit n of a number, which goes on for ever."""
    if n < 0:
        return Const(0, 1)
    if n < len(value):
        return value[n]
    return value[-1] if value.shape().signed else Const(0, 1)


def _incremented(row: Value, at: int, more: Value) -> Value:
    """row + (more << at): few bits from `at` on need no carry chain."""
    width = max(len(row), at + 1) + 1
    low, high = [_bit(row, n) for n in range(at)], [_bit(row, n) for n in range(at, width)]
    if len(high) > _WITHOUT_CHAIN:
        total = Cat(*high).as_signed() + Cat(more, Const(0, 1)).as_signed()
        return Cat(*low, total[: len(high)]).as_signed()
    top = Cat(*high)
    carries = Cat(more, *(more & top[:k].all() for k in range(1, len(high))))
    return Cat(*low, top ^ carries).as_signed()


def _joined(level: list[_Sum]) -> list[_Sum]:
    pairs = zip(level[::2], level[1::2], strict=False)
    made = [_join(first, second) for first, second in pairs]
    return made + level[2 * len(made) :]


def _join(first: _Sum, second: _Sum) -> _Sum:
    """first + 4**digits * second, and what the last row of `first` lacks."""
    low = 2 * (first.digits - 1)
    lo = first.lo + (second.lo << low + 2)
    hi = first.hi + (second.hi << low + 2) + (1 << low)
    addend = Cat(first.borrow, Const(0, 1), second.value).as_signed()
    total = Cat(first.value[:low], first.value[low:].as_signed() + addend).as_signed()
    value = _cut(total, element_shape(lo, hi))
    return _Sum(value, lo, hi, first.digits + second.digits, second.borrow)


def lut_product_resources(a: Interval, b: Interval) -> Resources:
    """The estimate for `lut_product`."""
    ends = (b, a) if _swapped(a, b) else (a, b)
    width = element_shape(*ends[0]).width
    bits = element_shape(*_bounds(a, b)).width
    lut = ff = 0
    level = [1] * _digits(ends[1])
    lut += (width + 1) * ((len(level) + 1) // 2) + (2 if len(level) > 1 else 0)
    for levels in _levels(*ends):
        for _ in range(levels):
            pairs = list(zip(level[::2], level[1::2], strict=False))
            lut += sum(min(width + 2 * second + 1, bits) for _, second in pairs)
            level = [sum(pair) for pair in pairs] + level[2 * len(pairs) :]
        ff += bits if len(level) == 1 else sum(width + 2 * digits for digits in level)
    return Resources(lut=lut, ff=ff)

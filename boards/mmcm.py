"""Settings of a clock manager (MMCM) that make one frequency of another, exactly.

    f_out = f_in * multiply / divide / output,   f_pfd = f_in / divide,   f_vco = f_pfd * multiply

`multiply` and `output` go in steps of 1/8 (UG472, UG572). An output divider of 1 is left out: no
oscillator is as slow as a clock that a design runs at. Limits are the data sheets': DS189 for
Spartan-7, DS925 for Zynq UltraScale+.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

__all__ = ["LIMITS", "Limits", "Mmcm", "exact_hz", "nearest", "plan"]

_EIGHTH = 8


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an MMCM can do; frequencies in Hz.

    :param output: of the fastest clock that it may make: the clock network's, or what hangs on it.
    """

    detector: tuple[int, int]
    oscillator: tuple[int, int]
    output: int
    multiply: int
    divide: int = 106
    divide_output: int = 128


LIMITS: Mapping[tuple[str, int], Limits] = MappingProxyType(
    {
        ("xc7", 1): Limits(
            detector=(10_000_000, 450_000_000),
            oscillator=(600_000_000, 1_200_000_000),
            output=464_000_000,
            multiply=64,
        ),
        ("xc7", 2): Limits(
            detector=(10_000_000, 500_000_000),
            oscillator=(600_000_000, 1_440_000_000),
            output=628_000_000,
            multiply=64,
        ),
        # The output: what the processor's AXI ports take.
        ("xcup", 2): Limits(
            detector=(10_000_000, 500_000_000),
            oscillator=(800_000_000, 1_600_000_000),
            output=333_000_000,
            multiply=128,
        ),
    }
)
"""By family and speed grade."""


@dataclass(frozen=True)
class Mmcm:
    """DIVCLK_DIVIDE, CLKFBOUT_MULT_F and CLKOUT0_DIVIDE_F."""

    divide: int
    multiply: Fraction
    output: Fraction

    def frequency(self, source: int) -> Fraction:
        """Hz that it makes of `source` Hz."""
        return source * self.multiply / self.divide / self.output


def exact_hz(mhz: float) -> Fraction:
    """MHz as the user wrote them, in Hz."""
    return Fraction(repr(mhz)) * 1_000_000


def plan(source: int, wanted: Fraction, limits: Limits) -> Mmcm | None:
    """The settings that make `wanted` Hz of `source` Hz exactly, or None.

    Of several: with the fewest fractions, then the least divider in front, then the fastest
    oscillator, which jitters least.
    """
    if wanted > limits.output:
        return None
    found: list[tuple[int, int, Fraction, Mmcm]] = []
    for divide, multiply in _loops(source, limits):
        vco = source * multiply / divide
        output = vco / wanted
        if _is_output(output, limits):
            fractions = (multiply.denominator > 1) + (output.denominator > 1)
            found.append((fractions, divide, -vco, Mmcm(divide, multiply, output)))
    return min(found, key=lambda f: f[:3])[3] if found else None


def nearest(source: int, wanted: Fraction, limits: Limits) -> tuple[int | None, int | None]:
    """The frequencies next to `wanted` that `plan` can make, in whole Hz: below, above.

    None where there is none on that side. `wanted` itself counts as below and as above.
    """
    below: int | None = None
    above: int | None = None
    for divide, multiply in _loops(source, limits):
        vco = source * multiply / divide
        for output in _outputs_around(vco / wanted, limits):
            made = vco / output
            if made.denominator > 1 or made > limits.output:
                continue
            if made <= wanted and (below is None or made > below):
                below = int(made)
            if made >= wanted and (above is None or made < above):
                above = int(made)
    return below, above


def _loops(source: int, limits: Limits) -> Iterator[tuple[int, Fraction]]:
    """Every divider and multiplier within the limits."""
    least, most = limits.detector
    slow, fast = limits.oscillator
    for divide in range(1, limits.divide + 1):
        detector = Fraction(source, divide)
        if not least <= detector <= most:
            continue
        first = max(2 * _EIGHTH, -(-slow * _EIGHTH // detector))
        last = min(limits.multiply * _EIGHTH, fast * _EIGHTH // detector)
        for eighths in range(int(first), int(last) + 1):
            yield divide, Fraction(eighths, _EIGHTH)


def _is_output(output: Fraction, limits: Limits) -> bool:
    return (output * _EIGHTH).denominator == 1 and 2 <= output <= limits.divide_output


def _outputs_around(output: Fraction, limits: Limits) -> Iterator[Fraction]:
    """The dividers next to `output`; the few behind them too, whose quotient may be whole Hz."""
    middle = int(output * _EIGHTH)
    for eighths in (2 * _EIGHTH, limits.divide_output * _EIGHTH):
        yield Fraction(eighths, _EIGHTH)
    for eighths in range(middle - 8, middle + 10):
        if 2 * _EIGHTH <= eighths <= limits.divide_output * _EIGHTH:
            yield Fraction(eighths, _EIGHTH)

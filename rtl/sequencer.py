"""Control sequences that repeat for ever: their run-length form and the counter that plays them."""

from collections.abc import Sequence
from itertools import groupby

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.rtl.checks import check_int
from thresher.rtl.kernel import Resources

__all__ = ["Sequencer", "check_ints", "cyclic_period", "run_lengths", "sequencer_resources"]

Runs = tuple[tuple[int, int], ...]
"""(symbol, repetitions) of each run."""


def check_ints(
    name: str, values: object, *, least: int | None = None, most: int | None = None
) -> None:
    """`values` must be a non-empty tuple of ints from `least` to `most`, where these are given."""
    if not isinstance(values, tuple):
        raise TypeError(f"{name} must be a tuple, not {values!r}")
    if not values:
        raise ValueError(f"{name} must not be empty")
    for k, value in enumerate(values):
        check_int(f"{name}[{k}]", value, least)
        if most is not None and value > most:
            raise ValueError(f"{name}[{k}] must be at most {most}, not {value!r}")


def run_lengths(sequence: Sequence[int]) -> Runs:
    """The sequence as runs of equal symbols."""
    return tuple((symbol, len(list(run))) for symbol, run in groupby(sequence))


def cyclic_period(sequence: Sequence[int]) -> Sequence[int]:
    """The shortest start of the sequence that, repeated, is the sequence."""
    size = len(sequence)
    for period in range(1, size // 2 + 1):
        # equal to itself moved by one period, all round: then it repeats the first one
        if size % period == 0 and sequence[period:] == sequence[: size - period]:
            return sequence[:period]
    return sequence


def sequencer_resources(runs: Runs) -> Resources:
    """The estimate for a Sequencer of these runs."""
    index = (len(runs) - 1).bit_length()
    left = (max(count for _, count in runs) - 1).bit_length()
    rom = -(-len(runs) // 64) * left if len({count for _, count in runs}) > 1 else 0
    return Resources(lut=index + left + rom + (3 if left > 2 else 1), ff=index + left)


class Sequencer(wiring.Component):
    """Plays runs of symbols, over and over.

    Out: `symbol`, the current one; `index`, which of the runs it is in; `left`, how many more of
    the run follow it. In: `advance`, which brings the next symbol in the next cycle. Reset goes
    back to the first.

    :param runs: (symbol, repetitions) of each run.
    """

    def __init__(self, runs: Runs) -> None:
        if not runs or any(count < 1 for _, count in runs):
            raise ValueError(f"runs must be non-empty runs of at least 1, not {runs!r}")
        self._runs = runs
        counts = [count for _, count in runs]
        super().__init__(
            {
                "advance": In(1),
                "symbol": Out(range(max(symbol for symbol, _ in runs) + 1)),
                "index": Out(range(len(runs))),
                "left": Out(range(max(counts)), init=counts[0] - 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.Switch(self.index):
            for k, (symbol, _) in enumerate(self._runs):
                with m.Case(k):
                    m.d.comb += self.symbol.eq(symbol)
        with m.If(self.advance):
            m.d.sync += self.left.eq(self.left - 1)
            with m.If(self.left == 0), m.Switch(self.index):
                for k in range(len(self._runs)):
                    following = (k + 1) % len(self._runs)
                    with m.Case(k):
                        m.d.sync += self.index.eq(following)
                        m.d.sync += self.left.eq(self._runs[following][1] - 1)
        return m

"""Parts that both processes of a line buffer are made of."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory

__all__ = ["constant_table", "nested_counters"]


def constant_table(m: Module, name: str, words: Sequence[int], index: Value) -> Value:
    """The word at this index."""
    if len(set(words)) == 1:
        return Const(words[0])
    shape = unsigned(max(words).bit_length())
    m.submodules[name] = rom = memory.Memory(shape=shape, depth=len(words), init=list(words))
    port = rom.read_port(domain="comb")
    m.d.comb += port.addr.eq(index)
    return port.data


def nested_counters(
    m: Module, names: Sequence[str], sizes: Sequence[int], advance: Value,
    start: Sequence[int] | None = None,
) -> tuple[list[Signal], list[Value]]:  # fmt: skip
    """Nested counters, the last one innermost; and for each whether it and all inside it end.

    :param start: after the reset.
    """
    counters = [
        Signal(range(size), name=name, init=at)
        for name, size, at in zip(names, sizes, start or [0] * len(sizes), strict=True)
    ]
    ends: list[Value] = []
    inside: Value = Const(1)
    for counter, size in zip(reversed(counters), reversed(sizes), strict=True):
        end = Signal(name=f"{counter.name}_end")
        m.d.comb += end.eq(inside & (counter == size - 1))
        with m.If(advance & inside):
            m.d.sync += counter.eq(Mux(counter == size - 1, 0, counter + 1))
        ends.append(end)
        inside = end
    return counters, ends[::-1]

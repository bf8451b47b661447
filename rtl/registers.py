"""Single data registers, to go with the valid bits of `thresher.rtl.elastic`."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Shape, Signal, Value

__all__ = ["delay", "register"]


def register(
    m: Module, value: Value, enable: Value, name: str, *, shape: Shape | None = None
) -> Value:
    """`value`, as it was when `enable` was 1 last; a constant stays one."""
    if isinstance(value, Const):
        return value
    result = Signal(value.shape() if shape is None else shape, name=name)
    with m.If(enable):
        m.d.sync += result.eq(value)
    return result


def delay(m: Module, value: Value, enables: Sequence[Value], name: str) -> Value:
    """`value` after one register for each of `enables`."""
    for k, enable in enumerate(enables):
        value = register(m, value, enable, f"{name}_{k}")
    return value

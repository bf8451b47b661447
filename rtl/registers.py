"""Single data registers, to go with the valid bits of `thresher.rtl.elastic`."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value

__all__ = ["delay", "held", "register", "resized"]


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


def held(
    m: Module, value: Value, enable: Value, name: str, *, force: Value | None, to: int
) -> Value:
    """A register that takes the constant `to` where `force` is 1; its reset input does this.

    Therefore it has no other reset.
    """
    result = Signal(value.shape(), name=name, reset_less=True)
    with m.If(enable):
        m.d.sync += result.eq(value)
        if force is not None:
            with m.If(force):
                m.d.sync += result.eq(Const(to & ((1 << len(value)) - 1), len(value)))
    return result


def resized(value: Value, width: int) -> Value:
    """The lower bits of the value, extended as its sign demands, without a sign."""
    spare = width - len(value)
    if spare <= 0:
        return value[:width]
    sign = value[-1] if value.shape().signed else Const(0, 1)
    return Cat(value, sign.replicate(spare))

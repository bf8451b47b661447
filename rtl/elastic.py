"""A chain of register stages under ready/valid control."""

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, ValueLike

__all__ = ["Stages", "elastic_stages"]


@dataclass(frozen=True)
class Stages:
    """Control of `count` register stages.

    :param ready: the first stage takes a new item in this cycle.
    :param enables: one signal per stage: its registers load from the stage before when it is 1.
    :param valids: one signal per stage: its registers hold an item.
    """

    ready: Signal
    enables: tuple[Signal, ...]
    valids: tuple[Signal, ...]

    @property
    def valid(self) -> Signal:
        """The last stage holds an item."""
        return self.valids[-1]


def elastic_stages(
    m: Module, *, count: int, i_valid: ValueLike, o_ready: ValueLike, name: str = "stage"
) -> Stages:
    """Add the valid bits of `count` register stages that close bubbles to `m`.

    Stage k loads when it is empty or when stage k + 1 loads, so ready passes through all stages in
    one cycle while data takes `count` cycles: `register_stages(count)` in the timing model.
    The caller adds the data registers, each under `enables[k]`.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count!r}")
    valids = tuple(Signal(name=f"{name}{k}_valid") for k in range(count))
    enables = tuple(Signal(name=f"{name}{k}_enable") for k in range(count))
    for k in range(count):
        m.d.comb += enables[k].eq(~valids[k] | (enables[k + 1] if k + 1 < count else o_ready))
        with m.If(enables[k]):
            m.d.sync += valids[k].eq(valids[k - 1] if k else i_valid)
    return Stages(enables[0], enables, valids)

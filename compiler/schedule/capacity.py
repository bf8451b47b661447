"""What a design may take of an FPGA."""

from dataclasses import dataclass

__all__ = ["Capacity"]


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The most that a design may take; None is no limit.

    :param lut: six-input LUTs.
    :param ff: flip-flops.
    :param lutram: LUTs that can be memory or shift registers; they are among `lut`.
    :param bram36: block RAMs of 36 Kbit.
    :param uram: UltraRAMs of 288 Kbit.
    :param dsp: DSP48 blocks.
    """

    lut: int | None = None
    ff: int | None = None
    lutram: int | None = None
    bram36: int | None = None
    uram: int | None = None
    dsp: int | None = None

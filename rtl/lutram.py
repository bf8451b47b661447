"""Small memories in LUTs: what they cost, and when they are the better choice."""

from thresher.rtl.kernel import Resources
from thresher.rtl.rom import BRAM18_IN_LUTS, rom_resources

__all__ = ["block_ram_resources", "lutram_resources", "prefer_lutram"]


def lutram_resources(depth: int, width: int, *, shared: bool = False) -> Resources:
    """The estimate for a memory with one write and one asynchronous read port.

    RAM32M holds 32 words of 6 bits in 4 LUTs, RAM64M 64 of 3, or of 8 and 4 where both ports share
    one address; deeper ones add a multiplexer, whose LUTs choose one of four.

    :param shared: both ports have the same address.
    """
    rows = -(-depth // 64)
    bits = 4 if shared else 3
    lutram = 4 * -(-width // (2 * bits)) if depth <= 32 else 4 * rows * -(-width // bits)
    return Resources(lut=lutram + width * -(-(rows - 1) // 3), lutram=lutram)


def block_ram_resources(depth: int, width: int) -> Resources:
    """The estimate for a memory with one write and one registered read port in block RAM."""
    return rom_resources(depth, width, "bram")


def prefer_lutram(depth: int, width: int) -> bool:
    """Whether a memory whose read port is registered costs less in LUTs than in block RAM."""
    blocks = block_ram_resources(depth, width).bram18
    return lutram_resources(depth, width).lut <= blocks * BRAM18_IN_LUTS

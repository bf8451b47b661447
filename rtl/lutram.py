"""Small memories in LUTs: what they cost, and when they are the better choice."""

from thresher.rtl.kernel import Resources
from thresher.rtl.rom import BRAM18_IN_LUTS, rom_resources

__all__ = ["block_ram_resources", "lutram_resources", "prefer_lutram"]


def lutram_resources(depth: int, width: int) -> Resources:
    """The estimate for a memory with one write and one asynchronous read port.

    RAM32M holds 32 words of 6 bits in 4 LUTs, RAM64M 64 of 3; deeper ones add a multiplexer.
    """
    rows = -(-depth // 64)
    lutram = 4 * -(-width // 6) if depth <= 32 else 4 * rows * -(-width // 3)
    return Resources(lut=lutram + width * (rows - 1), lutram=lutram)


def block_ram_resources(depth: int, width: int) -> Resources:
    """The estimate for a memory with one write and one registered read port in block RAM."""
    return rom_resources(depth, width, "bram")


def prefer_lutram(depth: int, width: int) -> bool:
    """Whether a memory whose read port is registered costs less in LUTs than in block RAM."""
    blocks = block_ram_resources(depth, width).bram18
    return lutram_resources(depth, width).lut <= blocks * BRAM18_IN_LUTS

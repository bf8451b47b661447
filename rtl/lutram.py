"""Memories that are written: in LUTs, block RAM or UltraRAM, what they cost, which is best."""

from thresher.rtl.checks import check_choice
from thresher.rtl.kernel import Resources
from thresher.rtl.rom import BRAM18_IN_LUTS, rom_resources

__all__ = [
    "RAMS", "block_ram_resources", "lutram_resources", "prefer_lutram", "ram_memory",
    "ram_resources",
]  # fmt: skip

RAMS = ("auto", "lutram", "block", "ultra")
"""How a memory that is written may be asked for. UltraRAM holds nothing at the start, which no
memory here needs; UltraScale+ alone has it, and so "auto" never comes to it."""

_URAM = (4096, 72)  # words, bits


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
    return rom_resources(depth, width, "block")


def prefer_lutram(depth: int, width: int) -> bool:
    """Whether a memory whose read port is registered costs less in LUTs than in block RAM."""
    blocks = block_ram_resources(depth, width).bram18
    return lutram_resources(depth, width).lut <= blocks * BRAM18_IN_LUTS


def ram_memory(depth: int, width: int, memory: str) -> str:
    """What `memory`, of `RAMS`, comes to for this size: auto is the cheaper of LUTs and blocks."""
    check_choice("memory", memory, RAMS)
    if memory != "auto":
        return memory
    return "lutram" if prefer_lutram(depth, width) else "block"


def ram_resources(depth: int, width: int, memory: str) -> Resources:
    """The estimate for a memory with one write and one read port, bound to one of `RAMS`."""
    if memory == "lutram":
        return lutram_resources(depth, width)
    if memory == "block":
        return block_ram_resources(depth, width)
    return Resources(uram=-(-depth // _URAM[0]) * -(-width // _URAM[1]))

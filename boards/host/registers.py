"""Registers of the AXI core, as the driver and the hardware both know them: byte offsets and bits.

All are 32 bits. Counters run modulo 2**32 and start at 0 with the hardware reset. A word of a
digest holds its bytes most significant first, so that it reads like the digest in hexadecimal.
"""

from enum import IntEnum, IntFlag

__all__ = ["CORE", "DMA", "ID", "VERSION", "Control", "Flag", "Register", "Status", "device_tree"]

CORE, DMA = (0xA000_0000, 0x1000), (0xA001_0000, 0x1_0000)
"""Address and size of the registers of core and DMA engine, as the processor sees them."""


ID = 0x54485253
"""`Register.ID` reads as this: "THRS"."""
VERSION = 0x0001_0000
"""Major and minor version of the register map, 16 bits each."""


class Register(IntEnum):
    """Byte offset of each register."""

    ID = 0x00
    VERSION = 0x04
    MODEL0 = 0x08  # the first 8 bytes of the SHA-256 of the model file
    MODEL1 = 0x0C
    VERILOG0 = 0x10  # the first 8 bytes of that of the core's Verilog
    VERILOG1 = 0x14
    SEQUENCE_LENGTH = 0x18  # steps of the longest sequence; 0: the model has none
    FRAME_WORDS = 0x1C  # words of s_axis in a frame
    RESULT_WORDS = 0x20  # words of m_axis in a result
    SAMPLES = 0x24  # in a frame
    CONTROL = 0x28  # `Control`
    STATUS = 0x2C  # `Status`
    FLAGS = 0x30  # `Flag`; writing a 1 clears
    INTERRUPTS = 0x34  # `Flag`s that raise the interrupt
    FRAMES_IN = 0x38  # packets that began
    FRAMES_OUT = 0x3C  # results that ended
    FRAMES_BAD = 0x40  # packets of a wrong length or with null bytes
    FRAMES_LOST = 0x44  # frames inside that a soft reset dropped
    LATENCY = 0x48  # cycles from first word in to last word out, both included, of the last result
    INTERVAL = 0x4C  # cycles between the last words of the last two results
    CYCLES_LOW = 0x50  # since the hardware reset; reading this word holds the other
    CYCLES_HIGH = 0x54
    CLOCK_HZ = 0x58  # what the core was built for


class Control(IntFlag):
    """Bits of `Register.CONTROL`; they read as 0."""

    RESET = 1  # empty the core; a packet that is on its way is swallowed up to its TLAST
    FORGET = 2  # with RESET: the rest of that packet will not come


class Status(IntFlag):
    """Bits of `Register.STATUS`."""

    BUSY = 1  # frames are inside
    RECEIVING = 2  # a packet has begun and not ended
    SENDING = 4  # a result has begun and not ended


class Flag(IntFlag):
    """Bits of `Register.FLAGS` and `Register.INTERRUPTS`."""

    DONE = 1  # a result ended
    SHORT = 2  # TLAST came early: the frame was filled up with zeros
    LONG = 4  # TLAST was late: the words behind the frame were dropped
    NULL_BYTES = 8  # TKEEP was not all ones
    LOST = 16  # a soft reset dropped frames


def device_tree() -> str:
    """The device tree's nodes of core and DMA engine, for UIO."""
    return "".join(
        f'{name}@{base:x} {{ compatible = "generic-uio"; reg = <0x0 {base:#x} 0x0 {size:#x}>; }};\n'
        for name, (base, size) in (("thresher", CORE), ("thresher_dma", DMA))
    )

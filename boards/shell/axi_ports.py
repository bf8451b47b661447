"""AXI4-Stream and AXI4-Lite as signatures, and the attributes by which Vivado knows the signals."""

from collections.abc import Mapping

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["INTERFACES", "interface_attributes", "lite_signature", "stream_signature"]

INTERFACES: Mapping[str, str] = {
    "s_axis": "xilinx.com:interface:axis:1.0",
    "m_axis": "xilinx.com:interface:axis:1.0",
    "s_axi": "xilinx.com:interface:aximm:1.0",
}
"""Vivado's type of each bus, by the bus's name."""
_PINS = {
    "aclk": ("xilinx.com:signal:clock:1.0", "CLK"),
    "aresetn": ("xilinx.com:signal:reset:1.0", "RST"),
    "interrupt": ("xilinx.com:signal:interrupt:1.0", "INTERRUPT"),
}


def stream_signature(size: int, *, user: bool = False) -> wiring.Signature:
    """AXI4-Stream, seen from its source.

    :param size: bytes of TDATA.
    :param user: with one bit of TUSER.
    """
    members = {
        "tdata": Out(8 * size),
        "tkeep": Out(size),
        "tlast": Out(1),
        "tvalid": Out(1),
        "tready": In(1),
    }
    return wiring.Signature(members | ({"tuser": Out(1)} if user else {}))


def lite_signature(address_bits: int) -> wiring.Signature:
    """AXI4-Lite with 32 bits of data, seen from its manager."""
    return wiring.Signature(
        {
            "awaddr": Out(address_bits), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(address_bits), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        }
    )  # fmt: skip


def interface_attributes(path: tuple[str, ...], parameters: Mapping[str, str]) -> dict[str, str]:
    """X_INTERFACE_INFO of a port, and X_INTERFACE_PARAMETER where it is given any.

    :param path: ("s_axis", "tdata") of a bus, ("aclk",) of a pin.
    :param parameters: of the interface, by name; to be given with one of its ports.
    """
    name = path[0]
    kind, signal = _PINS[name] if len(path) == 1 else (INTERFACES[name], path[1].upper())
    found = {"X_INTERFACE_INFO": f"{kind} {name} {signal}"}
    if parameters:
        settings = [f"XIL_INTERFACENAME {name}", *(f"{k} {v}" for k, v in parameters.items())]
        found["X_INTERFACE_PARAMETER"] = ", ".join(settings)
    return found

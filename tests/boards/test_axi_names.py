"""Ports of the AXI core, as its Verilog has them, against the naming rules of AXI and Vivado."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest

from cocotb_benches.axi_wrapper import VPort, parse_ports
from thresher.boards.framing import axi_width
from thresher.boards.host.registers import Register
from thresher.boards.shell.axi_core import AXI_NAME, axi_verilog
from zoo.rtl import compiled

Ports = dict[str, VPort]

STREAM = {"tdata", "tkeep", "tlast", "tvalid", "tready"}
LITE = {
    "awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready",
    "bresp", "bvalid", "bready", "araddr", "arprot", "arvalid", "arready",
    "rdata", "rresp", "rvalid", "rready",
}  # fmt: skip
BUSES: Mapping[str, tuple[str, set[str]]] = {
    "s_axis": ("xilinx.com:interface:axis:1.0", STREAM),
    "m_axis": ("xilinx.com:interface:axis:1.0", STREAM | {"tuser"}),
    "s_axi": ("xilinx.com:interface:aximm:1.0", LITE),
}
PINS = {
    "aclk": ("input", "xilinx.com:signal:clock:1.0 aclk CLK"),
    "aresetn": ("input", "xilinx.com:signal:reset:1.0 aresetn RST"),
    "interrupt": ("output", "xilinx.com:signal:interrupt:1.0 interrupt INTERRUPT"),
}
FROM_SUBORDINATE = {"awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid"}
WIDTHS = {"awprot": 3, "arprot": 3, "wdata": 32, "rdata": 32, "wstrb": 4, "bresp": 2, "rresp": 2}


def outputs(bus: str) -> set[str]:
    """Signals of the bus that the core drives."""
    if bus == "s_axi":
        return FROM_SUBORDINATE
    return {"tready"} if bus == "s_axis" else BUSES[bus][1] - {"tready"}


def parameters(port: VPort) -> dict[str, str]:
    """What X_INTERFACE_PARAMETER says, by name."""
    text = port.attributes.get("X_INTERFACE_PARAMETER", "")
    pairs = [part.strip().split(" ") for part in text.split(",") if part]
    return {pair[0]: pair[1] for pair in pairs}


def faults(ports: Ports, sizes: Mapping[str, int]) -> Iterator[str]:
    """Every breach of a rule.

    :param sizes: bytes of TDATA by stream.
    """
    wanted = {f"{bus}_{signal}" for bus, (_, signals) in BUSES.items() for signal in signals}
    if ports.keys() != wanted | PINS.keys():
        yield f"ports {ports.keys() ^ (wanted | PINS.keys())}"
        return
    for name, (direction, info) in PINS.items():
        if (ports[name].direction, ports[name].width) != (direction, 1):
            yield f"{name} is {ports[name].direction} of {ports[name].width} bits"
        if ports[name].attributes["X_INTERFACE_INFO"] != info:
            yield f"{name} is told as {ports[name].attributes['X_INTERFACE_INFO']}"
    for bus in BUSES:
        yield from bus_faults(ports, bus, sizes.get(bus, 0))
    clock, reset = parameters(ports["aclk"]), parameters(ports["aresetn"])
    if set(clock["ASSOCIATED_BUSIF"].split(":")) != BUSES.keys() or "FREQ_HZ" in clock:
        yield f"clock of {clock}"
    if clock["ASSOCIATED_RESET"] != "aresetn" or reset["POLARITY"] != "ACTIVE_LOW":
        yield f"reset {reset}"
    if parameters(ports["interrupt"])["SENSITIVITY"] != "LEVEL_HIGH":
        yield "interrupt"


def bus_faults(ports: Ports, bus: str, size: int) -> Iterator[str]:
    """Those of one bus."""
    kind, signals = BUSES[bus]
    named = []
    for signal in sorted(signals):
        port = ports[f"{bus}_{signal}"]
        if port.direction != ("output" if signal in outputs(bus) else "input"):
            yield f"{port.name} is an {port.direction}"
        if port.attributes["X_INTERFACE_INFO"] != f"{kind} {bus} {signal.upper()}":
            yield f"{port.name} is told as {port.attributes['X_INTERFACE_INFO']}"
        width = {"tdata": 8 * size, "tkeep": size}.get(signal, WIDTHS.get(signal, 1))
        if signal in ("awaddr", "araddr"):
            width = ports["s_axi_awaddr"].width
            if not max(Register) < 1 << width or width < 12:
                yield f"{port.name} has {port.width} bits"
        if port.width != width:
            yield f"{port.name} has {port.width} bits, not {width}"
        named += [parameters(port)] if parameters(port) else []
    if len(named) != 1 or named[0]["XIL_INTERFACENAME"] != bus:
        yield f"{bus} is named {named}"
    elif bus != "s_axi":
        if size & (size - 1) or int(named[0]["TDATA_NUM_BYTES"]) != size:
            yield f"{bus} is {named[0]['TDATA_NUM_BYTES']} bytes wide"
        if int(named[0]["TUSER_WIDTH"]) != ("tuser" in signals):
            yield f"{bus} has TUSER"
    elif (named[0]["PROTOCOL"], named[0]["ADDR_WIDTH"]) != (
        "AXI4LITE",
        str(ports["s_axi_awaddr"].width),
    ):
        yield f"{bus} is {named[0]}"


@cache
def sample(name: str) -> tuple[Ports, dict[str, int]]:
    """Ports of the core around a model, and the bytes of its streams."""
    model = compiled(name)
    design = model.design
    sizes = {"s_axis": axi_width(design.inputs), "m_axis": axi_width(design.outputs)}
    return parse_ports(axi_verilog(model), AXI_NAME), sizes


@pytest.mark.parametrize("name", ["finn_mlp_logits", "lstm_init_input", "mlp_plain"])
def test_ports(name: str) -> None:
    assert not list(faults(*sample(name)))


def changed(name: str, **fields: object) -> Callable[[Ports], Ports]:
    def change(ports: Ports) -> Ports:
        return ports | {name: replace(ports[name], **fields)}  # type: ignore[arg-type]

    return change


def told(name: str, old: str, new: str) -> Callable[[Ports], Ports]:
    def change(ports: Ports) -> Ports:
        attributes = {k: v.replace(old, new) for k, v in ports[name].attributes.items()}
        assert attributes != ports[name].attributes
        return ports | {name: replace(ports[name], attributes=attributes)}

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda ports: {k: p for k, p in ports.items() if k != "s_axi_wstrb"},
        lambda ports: ports | {"spare": ports["aclk"]},
        changed("s_axis_tready", direction="input"),
        changed("s_axi_bvalid", direction="input"),
        changed("m_axis_tkeep", width=3),
        changed("s_axi_araddr", width=11),
        changed("interrupt", width=2),
        changed("s_axi_rresp", width=1),
        told("s_axis_tdata", "TDATA_NUM_BYTES 16", "TDATA_NUM_BYTES 12"),
        told("m_axis_tdata", "TUSER_WIDTH 1", "TUSER_WIDTH 0"),
        told("m_axis_tlast", "TLAST", "TUSER"),
        told("s_axi_awaddr", "ADDR_WIDTH 12", "ADDR_WIDTH 32"),
        told("s_axi_awaddr", "XIL_INTERFACENAME s_axi", "XIL_INTERFACENAME s_axis"),
        told("aclk", "s_axis:m_axis:s_axi", "s_axis:m_axis"),
        told("aclk", "ASSOCIATED_RESET aresetn", "ASSOCIATED_RESET reset"),
        told("aresetn", "ACTIVE_LOW", "ACTIVE_HIGH"),
        told("interrupt", "LEVEL_HIGH", "EDGE_RISING"),
    ],
)
def test_a_breach_is_found(change: Callable[[Ports], Ports]) -> None:
    ports, sizes = sample("mlp_plain")
    assert list(faults(change(ports), sizes))

"""Pins of every board against tables written down apart."""

import re
from collections.abc import Mapping

import pytest
from amaranth.vendor import XilinxPlatform
from amaranth_boards.test.blinky import Blinky
from projects import project_for

from thresher.boards.platforms.elastic_node_v5 import ElasticNodeV5Platform
from thresher.boards.platforms.zcu104 import ZCU104Platform
from thresher.boards.vivado.ports import Port, ports

SERIAL = ("arty-s7-25", "arty-s7-50", "cmod-s7", "elastic-node-v5")

# Digilent's master constraints (Arty-S7-50-Master, Arty-S7-25-Master, Cmod-S7-25-Master; there
# uart_txd_in is what the host sends), and the Elastic Node's.
_ARTY = {
    "clk100_0__io": ("R2", "SSTL135"), "rst_0__io": ("C18", "LVCMOS33"),
    "uart_0__rx__io": ("V12", "LVCMOS33"), "uart_0__tx__io": ("R12", "LVCMOS33"),
    "led_0__io": ("E18", "LVCMOS33"), "led_1__io": ("F13", "LVCMOS33"),
    "led_2__io": ("E13", "LVCMOS33"),
}  # fmt: skip
PINS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "arty-s7-25": _ARTY,
    "arty-s7-50": _ARTY,
    "cmod-s7": {
        "clk12_0__io": ("M9", "LVCMOS33"),
        "uart_0__rx__io": ("K15", "LVCMOS33"), "uart_0__tx__io": ("L12", "LVCMOS33"),
        "led_0__io": ("E2", "LVCMOS33"), "led_1__io": ("K1", "LVCMOS33"),
        "led_2__io": ("J1", "LVCMOS33"),
    },
    "elastic-node-v5": {
        "clk100_0__io": ("H11", "LVCMOS33"),
        "spi_0__clk__io": ("N11", "LVCMOS33"), "spi_0__cs__io": ("P12", "LVCMOS33"),
        "spi_0__copi__io": ("P11", "LVCMOS33"), "spi_0__cipo__io": ("M12", "LVCMOS33"),
        "busy_0__io": ("L12", "LVCMOS33"),
        "led_0__io": ("H12", "LVCMOS33"), "led_1__io": ("J12", "LVCMOS33"),
        "led_2__io": ("K12", "LVCMOS33"),
    },
}  # fmt: skip
_OUTPUTS = ("tx", "led", "cipo", "busy")


def constraints(xdc: str) -> dict[str, tuple[str, str]]:
    """Pin and standard of each port."""
    found: dict[str, dict[str, str]] = {}
    for key, value, port in re.findall(r'set_property (\w+) "?(\w+)"? \[get_ports "(.*?)"\]', xdc):
        found.setdefault(port, {})[key] = value
    return {port: (of["LOC"], of["IOSTANDARD"]) for port, of in found.items()}


@pytest.mark.parametrize("name", SERIAL)
def test_pins(name: str) -> None:
    files = project_for(name).contents
    assert constraints(files["thresher_board.xdc"].decode()) == PINS[name]
    there = ports(files["thresher_board.v"].decode(), "thresher_board")
    assert there == {
        port: Port("output" if any(o in port for o in _OUTPUTS) else "input", 1)
        for port in PINS[name]
    }


@pytest.mark.parametrize("name", SERIAL)
def test_clock_constraints(name: str) -> None:
    xdc = project_for(name).contents["thresher_board.xdc"].decode()
    ((port, period),) = re.findall(
        r"create_clock -name \w+ -period ([\d.]+) \[get_nets \"(\w+)\"", xdc
    )
    assert (period, round(1000 / float(port))) == (
        ("clk12_0__io", 12) if name == "cmod-s7" else ("clk100_0__io", 100)
    )


@pytest.mark.parametrize("name", SERIAL)
def test_no_clock_times_the_pins(name: str) -> None:
    paths = project_for(name).contents["thresher_io.xdc"].decode()
    ((taken,), (given,)) = (
        re.findall(rf"set_false_path -{way} \[get_ports {{(.*)}}\]", paths)
        for way in ("from", "to")
    )
    clock = {port for port in PINS[name] if port.startswith("clk")}
    assert set(given.split()) == {p for p in PINS[name] if any(o in p for o in _OUTPUTS)}
    assert set(taken.split()) == PINS[name].keys() - set(given.split()) - clock


ZCU104 = {
    "clk125_0__p": ("F23", "LVDS"), "clk125_0__n": ("E23", "LVDS"),
    "rst_0__io": ("M11", "LVCMOS33"),
    **{f"led_{n}__io": (pin, "LVCMOS33") for n, pin in enumerate(["D5", "D6", "A5", "B5"])},
    **{f"button_{n}__io": (pin, "LVCMOS33") for n, pin in enumerate(["B4", "C4", "B3", "C3"])},
    **{f"switch_{n}__io": (pin, "LVCMOS33") for n, pin in enumerate(["E4", "D4", "F5", "F4"])},
}  # fmt: skip
ELASTIC = {
    "clk100_0__io": ("H11", "LVCMOS33"),
    **{f"led_{n}__io": (pin, "LVCMOS33") for n, pin in enumerate(["H12", "J12", "K12", "J11"])},
}


@pytest.mark.parametrize(
    ("platform", "pins", "part", "clock"),
    [
        (ZCU104Platform, ZCU104, "xczu7ev-ffvc1156-2-e", 'period 8.0 [get_nets "clk125_0__p"]'),
        (
            ElasticNodeV5Platform,
            ELASTIC,
            "xc7s15ftgb196-2",
            'period 10.0 [get_nets "clk100_0__io"]',
        ),
    ],
)
def test_a_platform_takes_any_design(
    platform: type[XilinxPlatform], pins: Mapping[str, tuple[str, str]], part: str, clock: str
) -> None:
    """Amaranth's own example, which asks for clock, reset, LEDs, buttons and switches."""
    plan = platform(toolchain="Vivado").build(Blinky(), do_build=False)
    texts = {n: d if isinstance(d, str) else d.decode() for n, d in plan.files.items()}
    assert constraints(texts["top.xdc"]) == pins
    assert clock in texts["top.xdc"]
    assert f"-part {part}\n" in texts["top.tcl"]


def test_the_zcu104_s_uart_and_connectors() -> None:
    platform = ZCU104Platform(toolchain="Vivado")
    uart = platform.request("uart", 0, dir="-")
    found = {name: getattr(uart, name).io.metadata[0].name for name in ("rx", "tx", "rts", "cts")}
    assert found == {"rx": "A20", "tx": "C19", "rts": "C18", "cts": "A19"}
    fast = platform.request("clk300", 0, dir="-")
    assert (fast.p.metadata[0].name, fast.n.metadata[0].name) == ("AH18", "AH17")
    assert platform._conn_pins["pmod_0:1"] == "G8"
    assert platform._conn_pins["pmod_1:10"] == "M9"

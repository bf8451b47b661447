"""Verilog around `thresher_axi` that watches every cycle: the rules of AXI, and what came out.

The wrapper `axi_bench` has the ports of the core and two more: `violations`, a bit for each rule,
which stays 1 once the rule was broken, and `mutant`, which a core with faults built in may read.
"""

import re
from dataclasses import dataclass

__all__ = ["RULES", "VPort", "parse_ports", "sides", "wrapper"]

_CHANNELS = {
    "s_axis": ("tvalid", "tready", ("tdata", "tkeep", "tlast")),
    "m_axis": ("tvalid", "tready", ("tdata", "tkeep", "tlast", "tuser")),
    "aw": ("awvalid", "awready", ("awaddr", "awprot")),
    "w": ("wvalid", "wready", ("wdata", "wstrb")),
    "b": ("bvalid", "bready", ("bresp",)),
    "ar": ("arvalid", "arready", ("araddr", "arprot")),
    "r": ("rvalid", "rready", ("rdata", "rresp")),
}
"""valid, ready and what must stay as it is while it waits, by channel."""
_OURS = ("m_axis", "b", "r")
_EXTRA = ("response to nothing", "length of a result", "TKEEP or TUSER of m_axis")
RULES = (
    *(f"{name} is patient" for name in _CHANNELS),
    *(f"{name} rests in reset" for name in _OURS),
    *_EXTRA,
)
"""What each bit of `violations` stands for."""


@dataclass(frozen=True)
class VPort:
    """A port of a Verilog module.

    :param direction: "input" or "output".
    :param attributes: by name.
    """

    name: str
    direction: str
    width: int
    attributes: dict[str, str]


_PORT = re.compile(r"((?:\(\* \w+ = \"[^\"]*\" \*\)\s*)*)\b(input|output) (?:\[(\d+):0\] )?(\w+);")


def parse_ports(verilog: str, module: str) -> dict[str, VPort]:
    """The ports of a module as Yosys writes it, by name, in the order of their declarations."""
    start = verilog.index(f"module {module}(")
    body = verilog[start : verilog.index("endmodule", start)]
    found = {}
    for attributes, direction, high, name in _PORT.findall(body):
        named = dict(re.findall(r"\(\* (\w+) = \"([^\"]*)\" \*\)", attributes))
        found[name] = VPort(name, direction, int(high or 0) + 1, named)
    return found


def wrapper(verilog: str, result_words: int) -> str:
    """Module `axi_bench` around the module `thresher_axi` of this text.

    With the argument `+record` the simulation writes `cycles.txt`: in each cycle all inputs but the
    clock, and all outputs, as `sides` has them, in binary.
    """
    ports = parse_ports(verilog, "thresher_axi")
    declared = [f"{p.direction} [{p.width - 1}:0] {p.name}" for p in ports.values()]
    declared += [f"output reg [{len(RULES) - 1}:0] violations", "input [7:0] mutant"]
    lines = [
        f"module axi_bench({', '.join(declared)});",
        f"thresher_axi dut({', '.join(f'.{name}({name})' for name in ports)});",
        "reg resting; reg [31:0] awaited_b, filled_b, awaited_r, word;",
        "initial begin violations = 0; resting = 0; end",
        "always @(posedge aclk) resting <= !aresetn;",
        *_patience(ports),
        *_responses(),
        *_results(result_words),
        *_recorder(ports),
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def sides(ports: dict[str, VPort]) -> tuple[list[VPort], list[VPort]]:
    """Inputs without the clock, and outputs."""
    found = [p for p in ports.values() if p.name != "aclk"]
    return (
        [p for p in found if p.direction == "input"],
        [p for p in found if p.direction == "output"],
    )


def _recorder(ports: dict[str, VPort]) -> list[str]:
    into, out = (", ".join(p.name for p in side) for side in sides(ports))
    return [
        'integer log; initial log = $test$plusargs("record") ? $fopen("cycles.txt", "w") : 0;',
        "always @(posedge aclk) if (log != 0)",
        f'$fdisplay(log, "%b %b", {{{into}}}, {{{out}}});',
    ]


def _full(channel: str, signal: str) -> str:
    return f"{channel if channel.endswith('axis') else 's_axi'}_{signal}"


def _patience(ports: dict[str, VPort]) -> list[str]:
    lines = []
    for channel, (valid, ready, payload) in _CHANNELS.items():
        v, r = _full(channel, valid), _full(channel, ready)
        names = [_full(channel, p) for p in payload]
        bits = sum(ports[n].width for n in names)
        lines += [
            f"reg {channel}_waits; reg [{bits - 1}:0] {channel}_held;",
            f"always @(posedge aclk) if (!aresetn) {channel}_waits <= 0; else begin",
            f"{channel}_waits <= {v} & !{r}; {channel}_held <= {{{', '.join(names)}}};",
            f"if ({channel}_waits & (!{v} | {channel}_held != {{{', '.join(names)}}}))",
            f"violations[{RULES.index(f'{channel} is patient')}] <= 1; end",
        ]
    for channel in _OURS:
        rule = RULES.index(f"{channel} rests in reset")
        v = _full(channel, _CHANNELS[channel][0])
        lines.append(f"always @(posedge aclk) if (resting & {v}) violations[{rule}] <= 1;")
    return lines


def _responses() -> list[str]:
    """No response without an address, and data, before it."""
    rule = RULES.index("response to nothing")
    return [
        "always @(posedge aclk) if (!aresetn) begin",
        "awaited_b <= 0; filled_b <= 0; awaited_r <= 0; end else begin",
        "awaited_b <= awaited_b + (s_axi_awvalid & s_axi_awready) - (s_axi_bvalid & s_axi_bready);",
        "filled_b <= filled_b + (s_axi_wvalid & s_axi_wready) - (s_axi_bvalid & s_axi_bready);",
        "awaited_r <= awaited_r + (s_axi_arvalid & s_axi_arready) - (s_axi_rvalid & s_axi_rready);",
        "if (s_axi_bvalid & (awaited_b == 0 | filled_b == 0) | s_axi_rvalid & awaited_r == 0)",
        f"violations[{rule}] <= 1; end",
    ]


def _results(words: int) -> list[str]:
    length, side = (RULES.index(rule) for rule in _EXTRA[1:])
    return [
        "always @(posedge aclk) if (!aresetn) word <= 0; else if (m_axis_tvalid) begin",
        f"if (m_axis_tlast != (word == {words - 1})) violations[{length}] <= 1;",
        f"if (!(&m_axis_tkeep) | m_axis_tuser & !m_axis_tlast) violations[{side}] <= 1;",
        "if (m_axis_tready) word <= m_axis_tlast ? 0 : word + 1; end",
    ]

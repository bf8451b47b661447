"""The model of Vivado, continued: packaging a core as IP."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from vivado_commands import Given
from vivado_ips import IPS, Ip
from vivado_model import require
from vivado_steps import VivadoSteps

from thresher.boards.vivado.ports import ports

__all__ = ["VivadoPackager"]

_ATTRIBUTE = re.compile(r'\(\* X_INTERFACE_(INFO|PARAMETER) = "([^"]*)" \*\)')


@dataclass
class Core:
    """An IP in the making: of each bus the signals and parameters."""

    root: Path
    buses: dict[str, dict[str, str]] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)
    clocked: set[str] = field(default_factory=set)
    maps: set[str] = field(default_factory=set)
    blocks: dict[str, dict[str, str]] = field(default_factory=dict)
    saved: bool = False


class VivadoPackager(VivadoSteps):
    """Makes IP; the catalogue holds AMD's and, when its folder is named, ours."""

    def __init__(self, scenario: str) -> None:
        super().__init__(scenario)
        self.core: Core | None = None
        self.catalogue: dict[str, Ip] = dict(IPS)

    def do_ipx_package_project(self, g: Given) -> None:
        self._in_project()
        require(self.top, "[Ipptcl 7-1] no top")
        text = "\n".join(p.read_text() for p in self.sources)
        there = ports(text, str(self.top))
        core = Core(Path(g.options["-root_dir"]))
        module = text[text.index(f"module {self.top}") :]
        for kind, value in _ATTRIBUTE.findall(module[: module.index("endmodule")]):
            if kind == "INFO":
                _, bus, signal = value.split()
                core.buses.setdefault(bus, {})[signal] = bus
            else:
                name, *pairs = value.removeprefix("XIL_INTERFACENAME ").split(", ")
                core.parameters[name] = dict(pair.split(" ", 1) for pair in pairs)
        for bus in core.buses:
            port = next((p for p in (bus, f"{bus}_tvalid", f"{bus}_awvalid") if p in there), "")
            require(port, f"[IP_Flow 19-1] the bus '{bus}' has no ports")
            core.directions[bus] = there[port].direction
        core.root.mkdir(exist_ok=True)
        self.core = core

    def _core(self) -> Core:
        assert self.core is not None
        return self.core

    def do_ipx_current_core(self, g: Given) -> str:
        require(self.core is not None, "[Ipptcl 7-2] no current core")
        return "core:current"

    def _of(self, g: Given, kind: str, names: object) -> str:
        require(g.options.get("-of_objects"), "[Common 17-161] -of_objects lacks an object")
        wanted = g.words[0] if g.words else "*"
        return " ".join(f"{kind}:{n}" for n in self.matching(names, wanted))

    def do_ipx_get_bus_interfaces(self, g: Given) -> str:
        return self._of(g, "ipbus", self._core().buses)

    def _bus(self, thing: str) -> str:
        kind, _, name = thing.partition(":")
        require(kind == "ipbus" and name in self._core().buses, f"[Ipptcl 7-3] no bus '{thing}'")
        return name

    def do_ipx_get_port_maps(self, g: Given) -> str:
        return self._of(g, "ipmap", self._core().buses[self._bus(g.options["-of_objects"])])

    def do_ipx_remove_port_map(self, g: Given) -> None:
        found = self._core().buses[self._bus(g.words[1])].pop(g.words[0], None)
        require(found, f"[Ipptcl 7-4] no port map '{g.words[0]}'")

    def do_ipx_get_bus_parameters(self, g: Given) -> str:
        bus = self._bus(g.options["-of_objects"])
        there = {f"{bus}.{name}" for name in self._core().parameters[bus]}
        return " ".join(f"ipparameter:{name}" for name in {f"{bus}.{w}" for w in g.words} & there)

    def do_ipx_get_memory_maps(self, g: Given) -> str:
        return self._of(g, "ipmemory", self._core().maps)

    def do_ipx_add_memory_map(self, g: Given) -> str:
        self._core().maps.add(g.words[0])
        return f"ipmemory:{g.words[0]}"

    def do_ipx_get_address_blocks(self, g: Given) -> str:
        return self._of(g, "ipblock", self._core().blocks)

    def do_ipx_add_address_block(self, g: Given) -> str:
        require(g.words[1].startswith("ipmemory:"), "[Ipptcl 7-5] no memory map")
        self._core().blocks[g.words[0]] = {}
        return f"ipblock:{g.words[0]}"

    def do_ipx_associate_bus_interfaces(self, g: Given) -> None:
        for bus in (g.options["-busif"], g.options["-clock"]):
            require(bus in self._core().buses, f"[Ipptcl 7-3] no bus '{bus}'")
        self._core().clocked.add(g.options["-busif"])

    def do_ipx_create_xgui_files(self, g: Given) -> None:
        require(g.words == ("core:current",), "[Ipptcl 7-2] no core")

    do_ipx_update_checksums = do_ipx_create_xgui_files

    def do_ipx_check_integrity(self, g: Given) -> str:
        self.do_ipx_create_xgui_files(g)
        return "0" if self.scenario == "unsound" else "1"

    def do_ipx_save_core(self, g: Given) -> None:
        self.do_ipx_create_xgui_files(g)
        core = self._core()
        require(core.clocked >= {"s_axis", "m_axis", "s_axi"}, "[IP_Flow 19-11770] unclocked bus")
        (core.root / "component.xml").write_text("packaged\n")
        core.saved = True

    def set_one(self, kind: str, name: str, key: str, value: str) -> None:
        """Properties of what is packaged are kept with it."""
        super().set_one(kind, name, key, value)
        if kind == "ipparameter":
            bus, _, parameter = name.partition(".")
            self._core().parameters[bus][parameter] = value
        if kind == "ipblock":
            self._core().blocks[name][key] = value

    def do_update_ip_catalog(self, g: Given) -> None:
        repository = self.properties.get((str(self.project), "ip_repo_paths"))
        core = self.core
        if not (core and core.saved and repository and Path(repository) == core.root):
            return
        directions = {"input": "in", "output": "out"}
        kinds = {"aclk": "clock", "aresetn": "reset", "interrupt": "interrupt"}
        pins = {
            n: f"{directions[core.directions[n]]} {kind}"
            for n, kind in kinds.items()
            if n in core.buses
        }
        buses = {}
        for name, signals in core.buses.items():
            if name in pins:
                continue
            master = core.directions[name] == "output"
            stream = "TDATA" in signals
            side = ("master" if master else "slave") + (" stream" if stream else " memory")
            if stream:
                width = 8 * int(core.parameters[name]["TDATA_NUM_BYTES"])
                side += f" - {width} {core.parameters[name]['TUSER_WIDTH']}"
                require(
                    ("TUSER" in signals) == (core.parameters[name]["TUSER_WIDTH"] != "0"),
                    f"[IP_Flow 19-5] {name}: TUSER_WIDTH does not match its signals",
                )
            buses[name] = side
        segments = tuple(f"s_axi/{block}" for block in core.blocks)
        made = Ip(pins=pins, buses=buses, segments=segments)
        self.catalogue["thresher:user:thresher_axi:1.0"] = made

"""The model of Vivado, continued: block designs and runs."""

from dataclasses import dataclass
from pathlib import Path

from vivado_commands import Given
from vivado_ips import Ip
from vivado_ipx import VivadoPackager
from vivado_model import Failure, require

__all__ = ["Vivado"]


@dataclass
class Cell:
    """A cell of a block design."""

    ip: Ip
    settings: dict[str, str]


class Vivado(VivadoPackager):
    """All of it."""

    def __init__(self, scenario: str) -> None:
        super().__init__(scenario)
        self.cells: dict[str, Cell] = {}
        self.nets: dict[str, str] = {}
        self.buses: dict[str, str] = {}
        self.addresses: dict[tuple[str, str], tuple[int, int]] = {}
        self.excluded: set[tuple[str, str]] = set()
        self.block = ""
        self.valid = False

    def set_one(self, kind: str, name: str, key: str, value: str) -> None:
        """Properties of cells are those of their IP."""
        if kind == "bdcell":
            self._configure(name, key, value)
        else:
            super().set_one(kind, name, key, value)

    def do_get_ipdefs(self, g: Given) -> str:
        if self.scenario == "no_ip":
            return ""
        return " ".join(self.matching(self.catalogue, g.words[0]))

    def do_create_bd_design(self, g: Given) -> None:
        self._in_project()
        self.block = g.words[0]

    def do_create_bd_cell(self, g: Given) -> str:
        require(self.block, "[BD 5-1] no block design")
        vlnv, name = g.options.get("-vlnv", ""), g.words[0]
        require(g.options.get("-type") == "ip" and vlnv in self.catalogue, f"[BD 5-216] {vlnv}")
        require(name not in self.cells, f"[BD 5-2] cell '{name}' is there already")
        ip = self.catalogue[vlnv]
        self.cells[name] = Cell(ip, dict(ip.settings))
        return f"bdcell:{name}"

    def do_get_bd_cells(self, g: Given) -> str:
        require(g.words[0] in self.cells, f"[BD 5-232] No cells matched '{g.words[0]}'")
        return f"bdcell:{g.words[0]}"

    def _configure(self, name: str, key: str, value: str) -> None:
        cell, setting = self.cells[name], key.removeprefix("CONFIG.")
        known = key.startswith("CONFIG.") and setting in cell.settings
        require(known, f"[Common 17-142] Property '{key}' does not exist on cell '{name}'")
        allowed = cell.ip.choices.get(setting)
        fits = allowed is None or value in allowed.split()
        require(fits, f"[IP_Flow 19-3461] Value '{value}' is out of range for '{setting}'")
        cell.settings[setting] = value

    def _there(self, path: str, kind: str) -> list[str]:
        """Words of a pin or bus that its cell has with its settings."""
        name, _, pin = path.lstrip("/").partition("/")
        require(name in self.cells, f"[BD 5-232] no cell '{name}' for '{path}'")
        cell = self.cells[name]
        words = (cell.ip.pins if kind == "pin" else cell.ip.buses).get(pin, "").split()
        if len(words) >= 3 and words[2] != "-":
            setting, _, least = words[2].partition(">")
            value = cell.settings[setting]
            on = int(value) > int(least) if least else value in ("1", "true")
            words = words if on else []
        require(words, f"[BD 5-234] No {kind}s matched '{path}'")
        return words

    def do_get_bd_pins(self, g: Given) -> str:
        self._there(g.words[0], "pin")
        return f"bdpin:{g.words[0]}"

    def do_get_bd_intf_pins(self, g: Given) -> str:
        self._there(g.words[0], "bus")
        return f"bdbus:{g.words[0]}"

    def do_apply_bd_automation(self, g: Given) -> None:
        require(g.options.get("-rule") == "xilinx.com:bd_rule:zynq_ultra_ps_e", "[BD 5-3] no rule")
        require(g.options.get("-config") == 'apply_board_preset "1"', "[BD 5-4] no such settings")
        require(self.properties.get((str(self.project), "board_part")), "[BD 5-5] no board part")

    def do_connect_bd_net(self, g: Given) -> None:
        source, *sinks = g.words
        out = self._there(source.partition(":")[2], "pin")
        require(out[0] == "out", f"[BD 41-1] {source} drives nothing")
        for sink in sinks:
            path = sink.partition(":")[2]
            words = self._there(path, "pin")
            same = words[1] in (out[1], "any") or "signal" in (out[1], words[1])
            require(words[0] != "out" and same, f"[BD 41-2] {source} cannot drive {sink}")
            require(path not in self.nets, f"[BD 41-3] {sink} is driven already")
            self.nets[path] = source.partition(":")[2]

    def do_connect_bd_intf_net(self, g: Given) -> None:
        first, second = (word.partition(":")[2] for word in g.words)
        one, other = self._there(first, "bus"), self._there(second, "bus")
        fits = {one[0], other[0]} == {"master", "slave"} and one[1] == other[1]
        require(fits, f"[BD 5-6] {first} and {second} do not fit")
        for end in (first, second):
            require(end not in self.buses, f"[BD 5-7] {end} is connected already")
        self.buses[first], self.buses[second] = second, first

    def do_get_bd_addr_spaces(self, g: Given) -> str:
        name, _, space = g.words[0].partition("/")
        require(space in self.cells[name].ip.spaces, f"[BD 5-8] no address space '{g.words[0]}'")
        return f"space:{g.words[0]}"

    def do_get_bd_addr_segs(self, g: Given) -> str:
        name, _, segment = g.words[0].partition("/")
        if segment in self.cells[name].ip.segments:
            return f"segment:{g.words[0]}"
        require("-quiet" in g.options, f"[BD 5-9] no address segment '{g.words[0]}'")
        return ""

    def do_assign_bd_address(self, g: Given) -> None:
        offset, size = (int(g.options[o], 16) for o in ("-offset", "-range"))
        space, segment = g.options["-target_address_space"], g.words[0]
        require(size & (size - 1) == 0 and offset % size == 0, "[BD 41-70] range is not aligned")
        for (other, _), (start, length) in self.addresses.items():
            apart = other != space or offset >= start + length or start >= offset + size
            require(apart, "[BD 41-71] addresses overlap")
        self.addresses[space, segment] = offset, size

    def do_exclude_bd_addr_seg(self, g: Given) -> None:
        self.excluded.add((g.options["-target_address_space"], g.words[0]))

    def do_validate_bd_design(self, g: Given) -> None:
        for name, cell in self.cells.items():
            for kind, there, done in (
                ("pin", cell.ip.pins, self.nets),
                ("bus", cell.ip.buses, self.buses),
            ):
                for end in there:
                    path = f"{name}/{end}"
                    try:
                        words = self._there(path, kind)
                    except Failure:
                        continue
                    needed = words[0] in ("in", "master", "slave")
                    require(path in done or not needed, f"[BD 41-758] {path} is not connected")
        self._check_streams()
        dma, core = "segment:dma/S_AXI_LITE/Reg", "segment:core/s_axi/reg0"
        for segment in (dma, core):
            require(("space:ps/Data", segment) in self.addresses, f"[BD 41-703] {segment} unmapped")
        for space in ("space:dma/Data_MM2S", "space:dma/Data_S2MM"):
            for segment in self.cells["ps"].ip.segments:
                key = (space, f"segment:ps/{segment}")
                known = key in self.addresses or key in self.excluded
                require(known, f"[BD 41-1356] {segment} is not assigned into {space}")
        wanted = 1e6 * float(self.cells["clock"].settings["CLKOUT1_REQUESTED_OUT_FREQ"])
        made = 0.99999 * wanted * (0.9375 if self.scenario == "clock" else 1)
        self.properties["clock/clk_out1", "CONFIG.FREQ_HZ"] = str(int(made))
        self.valid = True

    def _check_streams(self) -> None:
        dma = self.cells["dma"].settings
        for bus, stream, memory in (
            ("s_axis", "c_m_axis_mm2s_tdata_width", "c_m_axi_mm2s_data_width"),
            ("m_axis", "c_s_axis_s2mm_tdata_width", "c_m_axi_s2mm_data_width"),
        ):
            *_, width, user = self.cells["core"].ip.buses[bus].split()
            same = width == dma[stream]
            require(same, f"[BD 41-237] TDATA_NUM_BYTES of {bus} does not match")
            require(user == "0", f"[BD 41-237] TUSER_WIDTH of {bus} does not match (0)")
            fits = int(dma[memory]) >= int(width)
            require(fits, "[axi_dma 1-1] the stream is wider than the memory")

    def do_save_bd_design(self, g: Given) -> None:
        require(self.valid, "[BD 5-10] the design was not validated")
        sources = self.folder / f"{self.project}.srcs/sources_1/bd/{self.block}"
        sources.mkdir(parents=True)
        (sources / f"{self.block}.bd").write_text("block design\n")
        self.sources.append(sources / f"{self.block}.bd")

    def _generated(self) -> Path:
        return self.folder / f"{self.project}.gen/sources_1/bd/{self.block}"

    def do_generate_target(self, g: Given) -> None:
        require(g.words[0] == "all" and g.words[1].startswith("file:"), "[Common 17-161] target")
        (self._generated() / "hw_handoff").mkdir(parents=True)
        (self._generated() / "hw_handoff" / f"{self.block}.hwh").write_text("handoff\n")

    def do_make_wrapper(self, g: Given) -> str:
        require("-top" in g.options and g.options["-files"].startswith("file:"), "[BD 5-11] files")
        path = self._generated() / "hdl" / f"{self.block}_wrapper.v"
        path.parent.mkdir()
        path.write_text(f"module {self.block}_wrapper();\nendmodule\n")
        return str(path)

    # Runs

    def do_get_runs(self, g: Given) -> str:
        require(g.words[0] in ("synth_1", "impl_1"), f"[Vivado 12-1] no run '{g.words[0]}'")
        return f"run:{g.words[0]}"

    def do_launch_runs(self, g: Given) -> None:
        (run,) = g.words
        self.do_get_runs(g)
        print(f"[Mon Jan  1 12:00:00 2024] Launched {run}...", flush=True)
        if run == "synth_1":
            modes = [v for (_, k), v in self.properties.items() if k == "synth_checkpoint_mode"]
            require(modes == ["None"], "[Runs 1-1] IP has runs of its own")
            try:
                self.elaborate()
                self.step("synth_design")
            except Failure as e:
                print(f"ERROR: {e}")
                self.runs[run] = "synth_design ERROR"
            else:
                self.runs[run] = "synth_design Complete!"
            return
        require("Complete" in self.runs.get("synth_1", ""), "[Runs 36-527] synth_1 has not run")
        if self.stage == 0:
            for name in ("opt_design", "place_design", "route_design"):
                self.step(name)
        self.runs[run] = "route_design Complete!"
        self.open = False
        if g.options.get("-to_step") == "write_bitstream":
            self.write(self.folder / f"{self.project}.runs/impl_1/{self.top}.bit")
            self.runs[run] = "write_bitstream Complete!"

    def do_wait_on_run(self, g: Given) -> None:
        require(g.words[0] in self.runs, f"[Runs 36-1] run '{g.words[0]}' was not launched")

    def do_open_run(self, g: Given) -> None:
        require("Complete" in self.runs.get(g.words[0], ""), "[Runs 36-2] the run is not complete")
        self.open = True

    def do_close_design(self, g: Given) -> None:
        require(self.open, "[Common 17-53] No open design")
        self.open = False

    def do_write_hw_platform(self, g: Given) -> None:
        complete = "write_bitstream" in self.runs.get("impl_1", "")
        require(complete or "-include_bit" not in g.options, "[Vivado 12-2] no bitstream")
        self.write(g.options.get("-file") or g.words[0])

"""The model of Vivado, continued: synthesis to bitstream in one process, reports."""

from pathlib import Path

from vivado_commands import Given
from vivado_model import Crash, Failure, VivadoBase, require
from vivado_texts import timing_text, utilisation_text

from thresher.boards.vivado.ports import ports

__all__ = ["VivadoSteps"]

_ORDER = ("synth_design", "opt_design", "place_design", "route_design")


class VivadoSteps(VivadoBase):
    """Each step in its place, and what it writes."""

    def do_synth_design(self, g: Given) -> None:
        self._in_project()
        if "-top" in g.options:
            self.top = g.options["-top"]
        self.elaborate()
        self.step("synth_design")

    def elaborate(self) -> None:
        """Find the top in the sources."""
        self.text = "\n".join(p.read_text() for p in self.sources)
        print("Command: synth_design -top", self.top, "-part", self.part, flush=True)
        print("Starting synth_design", flush=True)
        self.trouble("synth_design")
        try:
            found = ports(self.text, str(self.top))
        except ValueError as e:
            raise Failure(f"[Synth 8-439] module '{self.top}' not found") from e
        self.ports = {
            name if port.width == 1 else f"{name}[{bit}]": bit
            for name, port in found.items()
            for bit in range(port.width)
        }

    def trouble(self, step: str) -> None:
        """What the scenario has go wrong in this step."""
        if step == "synth_design" and self.scenario == "licence":
            device = self.part.split("-")[0]
            raise Failure(
                "[Common 17-345] A valid license was not found for feature 'Synthesis' and/or "
                f"device '{device}'. Please run the Vivado License Manager for assistance."
            )
        if step == "synth_design" and self.scenario == "synthesis":
            print("CRITICAL WARNING: [Synth 8-1] something odd")
            print("ERROR: [Synth 8-2715] syntax error near ')' [thresher_top.v:12]")
            raise Failure(
                "[Vivado_Tcl 4-5] Elaboration failed - please see the console for details"
            )
        if step == "place_design" and self.scenario == "crash":
            raise Crash

    def step(self, name: str) -> None:
        """One step of the flow, in its place."""
        at = _ORDER.index(name)
        require(self.stage == at - 1, f"[Common 17-53] {name} before its turn")
        print(f"Command: {name}\n\nStarting {name.split('_')[0].title()} Task", flush=True)
        for number, what in enumerate(("Initialization", "Global", "Final"), 1):
            print(f"Phase {number} {what}\nPhase {number}.1 Part | Checksum: 1", flush=True)
        self.trouble(name)
        print(f"{name} completed successfully", flush=True)
        self.stage, self.open = at, True

    def do_opt_design(self, g: Given) -> None:
        self.step("opt_design")

    def do_place_design(self, g: Given) -> None:
        self.step("place_design")

    def do_route_design(self, g: Given) -> None:
        self.step("route_design")

    def do_phys_opt_design(self, g: Given) -> None:
        require(self.stage >= 2, "[Common 17-53] phys_opt_design before its turn")

    # Reports and what is written

    def do_get_timing_paths(self, g: Given) -> str:
        require(self.open and self.stage == 3, "[Common 17-53] No open routed design")
        kind = g.options.get("-delay_type", "max")
        require(kind in ("min", "max"), f"[Vivado 12-1] -delay_type {kind}")
        return f"path:{kind}"

    def _report(self, g: Given, text: str = "a report\n") -> None:
        require(self.open, "[Common 17-53] No open design")
        if "-file" in g.options:
            Path(g.options["-file"]).write_text(text)

    def do_report_timing_summary(self, g: Given) -> None:
        self._report(g, timing_text(self.part, str(self.top), *self.slacks()))

    def do_report_utilization(self, g: Given) -> None:
        hierarchical = "-hierarchical" in g.options
        text = "hierarchy\n" if hierarchical else utilisation_text(self.part, str(self.top))
        self._report(g, text)

    do_report_io = do_report_control_sets = do_report_clock_utilization = _report
    do_report_route_status = do_report_drc = do_report_methodology = do_report_power = _report

    def do_write_checkpoint(self, g: Given) -> None:
        self.write(g.words[0])

    def write(self, name: str | Path) -> None:
        """A file of a finished design."""
        require(self.stage == 3, "[Common 17-53] the design is not routed")
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("made by Vivado\n")

    def do_write_bitstream(self, g: Given) -> None:
        print("Writing bitstream ./" + g.words[0] + "...", flush=True)
        for port in self.ports:
            for key, rule in (("IOSTANDARD", "NSTD-1"), ("LOC", "UCIO-1")):
                require((port, key) in self.properties, f"[DRC {rule}] port {port} has no {key}")
        self.write(g.words[0])
        if "-bin_file" in g.options:
            self.write(Path(g.words[0]).with_suffix(".bin"))

    def do_write_cfgmem(self, g: Given) -> None:
        image = g.options["-loadbit"].split()[-1]
        require(Path(image).is_file(), f"[Writecfgmem 68-4] no bitstream '{image}'")
        self.write(g.options["-file"])

    def do_version(self, g: Given) -> str:
        return "2022.2"

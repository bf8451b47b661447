"""A model of Vivado as far as our scripts see it: projects, sources, properties, constraints.

It refuses what Vivado would refuse: files that are not there, objects that do not exist, properties
that the object does not have, steps out of order. Objects are words "class:name".
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from vivado_commands import COMMANDS, Given, UsageError

__all__ = ["Crash", "Failure", "VivadoBase", "require"]

PROPERTIES = {
    "port": {"LOC", "IOSTANDARD", "PACKAGE_PIN", "SLEW", "DRIVE", "PULLTYPE"},
    "design": {"BITSTREAM.CONFIG.SPI_BUSWIDTH", "BITSTREAM.GENERAL.COMPRESS"},
    "iobank": {"INTERNAL_VREF"},
    "cell": {"ASYNC_REG"},
    "fileset": {"top"},
    "project": {"board_part", "ip_repo_paths"},
    "file": {"synth_checkpoint_mode"},
    "run": {"STEPS.PHYS_OPT_DESIGN.IS_ENABLED"},
    "core": {"name", "version", "display_name", "description"},
    "ipparameter": {"value"},
    "ipblock": {"range", "width"},
    "ipbus": {"slave_memory_map_ref"},
}
BOARD_PARTS = ("xilinx.com:zcu104:part0:1.0", "xilinx.com:zcu104:part0:1.1")


class Failure(Exception):
    """An error as Vivado has it: the number and the text."""


class Crash(Exception):
    """The program dies."""


def require(holds: object, text: str) -> None:
    """Fail with this error unless `holds`."""
    if not holds:
        raise Failure(text)


class VivadoBase:
    """Projects, sources, properties and constraints.

    :param scenario: "success", or what goes wrong.
    """

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        self.project: str | None = None
        self.folder = Path()
        self.part = ""
        self.sources: list[Path] = []
        self.xdc: list[Path] = []
        self.properties: dict[tuple[str, str], str] = {}
        self.top: str | None = None
        self.ports: dict[str, int] = {}
        self.text = ""
        self.stage = -1
        self.open = False
        self.runs: dict[str, str] = {}
        self.constrained: set[str] = set()

    def commands(self) -> dict[str, Callable[..., str]]:
        """Every command, checked against its signature first."""
        found = {}
        for name, signature in COMMANDS.items():
            handler = getattr(self, "do_" + name.replace("::", "_"))

            def call(*words: str, _s=signature, _h=handler) -> str:  # type: ignore[no-untyped-def]
                try:
                    return str(_h(_s.parse(words)) or "")
                except UsageError as e:
                    raise Failure(f"[Common 17-170] {e}") from e

            found[name] = call
        return found

    # Projects and sources

    def do_create_project(self, g: Given) -> None:
        require(self.project is None, "[Common 17-1] a project is open")
        name = g.options.get("-name") or g.words[0]
        self.__dict__.update(VivadoBase(self.scenario).__dict__)  # the catalogue stays
        self.project, self.part = name, g.options["-part"]
        require(re.fullmatch(r"xc[\w-]+", self.part), f"[Project 1-5] no part '{self.part}'")
        self.folder = Path(g.words[-1] if g.words and len(g.words) == 2 else name)
        if "-force" in g.options:
            shutil.rmtree(self.folder, ignore_errors=True)
        require(not self.folder.exists(), f"[Common 17-2] project '{self.folder}' exists")
        self.folder.mkdir(parents=True)

    def do_close_project(self, g: Given) -> None:
        self._in_project()
        self.project = None

    def _in_project(self) -> None:
        require(self.project is not None, "[Common 17-53] No open project")

    def do_current_project(self, g: Given) -> str:
        self._in_project()
        return f"project:{self.project}"

    def do_current_fileset(self, g: Given) -> str:
        self._in_project()
        return "fileset:sources_1"

    def do_current_design(self, g: Given) -> str:
        require(self.open, "[Common 17-53] No open design")
        return f"design:{self.top}"

    def do_add_files(self, g: Given) -> None:
        self._in_project()
        for word in g.words:
            for name in word.split():
                path = Path(name)
                require(path.is_file(), f"[Vivado 12-172] file '{name}' does not exist")
                self.sources.append(path)

    def do_read_xdc(self, g: Given) -> None:
        self._in_project()
        for name in g.words:
            require(Path(name).is_file(), f"[Common 17-55] file '{name}' does not exist")
            self.xdc.append(Path(name))

    def do_import_files(self, g: Given) -> None:
        self.do_add_files(g)

    def do_update_compile_order(self, g: Given) -> None:
        self._in_project()

    def do_get_files(self, g: Given) -> str:
        found = [p for p in self.sources if any(p.name == w or str(p) == w for w in g.words)]
        require(found, f"[Vivado 12-818] No files matched '{g.words}'")
        return " ".join(f"file:{p}" for p in found)

    def do_get_board_parts(self, g: Given) -> str:
        return (
            " ".join(self.matching(BOARD_PARTS, g.words[0])) if self.scenario != "no_board" else ""
        )

    @staticmethod
    def matching(names: object, pattern: str) -> list[str]:
        """Names that a pattern with stars matches."""
        regex = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        return [n for n in names if regex.fullmatch(n)]  # type: ignore[attr-defined]

    # Properties

    def do_set_property(self, g: Given) -> None:
        if "-dict" in g.options:
            words = self.split(g.options["-dict"])
            require(len(words) % 2 == 0, "[Common 17-163] -dict takes pairs")
            pairs, objects = list(zip(words[::2], words[1::2], strict=True)), g.words
        else:
            require(len(g.words) == 3, "[Common 17-163] set_property takes name, value, object")
            pairs, objects = [(g.words[0], g.words[1])], g.words[2:]
        require(len(objects) == 1 and objects[0], "[Common 17-55] set_property has no object")
        for thing in objects[0].split():
            kind, _, name = thing.partition(":")
            for key, value in pairs:
                self.set_one(kind, name, key, value)

    def split(self, text: str) -> list[str]:
        """A Tcl list of plain words."""
        return [word.strip("{}") for word in text.split()]

    def set_one(self, kind: str, name: str, key: str, value: str) -> None:
        """One property of one object."""
        known = PROPERTIES.get(kind, set())
        require(key in known, f"[Common 17-142] Property '{key}' does not exist on {kind} '{name}'")
        self.properties[name, key] = value
        if kind == "fileset":
            self.top = value
        if key == "board_part":
            require(value in BOARD_PARTS, f"[Board 49-71] no board part '{value}'")
        if key == "ip_repo_paths":
            require(Path(value).is_dir(), f"[IP_Flow 19-3656] no folder '{value}'")
        if key == "LOC":
            taken = [n for (n, k), v in self.properties.items() if k == "LOC" and v == value]
            require(taken == [name], f"[Vivado 12-2285] pin {value} is taken by {taken}")

    def do_get_property(self, g: Given) -> str:
        key, thing = g.words
        kind, _, name = thing.partition(":")
        found = self.get_one(kind, name, key)
        require(found is not None, f"[Common 17-142] Property '{key}' does not exist on '{thing}'")
        return str(found)

    def get_one(self, kind: str, name: str, key: str) -> str | None:
        """A property that can be read, or None."""
        if kind == "run" and name in self.runs:
            found = {
                "DIRECTORY": str(self.folder / f"{self.project}.runs" / name),
                "STATUS": self.runs[name],
                "PROGRESS": "100%" if "Complete" in self.runs[name] else "12%",
            }
            return found.get(key)
        if kind == "path" and key == "SLACK":
            return f"{self.slacks()[name == 'min']:.3f}"
        return self.properties.get((name, key))

    def slacks(self) -> tuple[float, float]:
        """Of setup and hold, in ns."""
        return {"timing": (-0.412, 0.021), "hold": (0.5, -0.033)}.get(self.scenario, (0.137, 0.021))

    # Constraints: after synthesis

    def do_get_ports(self, g: Given) -> str:
        return self._named("port", g, self.ports)

    def do_get_nets(self, g: Given) -> str:
        return self._named("net", g, self.ports)

    def _named(self, kind: str, g: Given, there: object) -> str:
        require(self.stage >= 0, "[Common 17-53] No open design")
        names = [name for word in g.words for name in word.split()]
        for name in names:
            require(name in there, f"[Vivado 12-584] No {kind}s matched '{name}'")  # type: ignore[operator]
        return " ".join(f"{kind}:{name}" for name in names)

    def do_get_cells(self, g: Given) -> str:
        require(self.stage >= 0, "[Common 17-53] No open design")
        filter_ = g.options.get("-filter", "")
        name = re.fullmatch(r"NAME =~ \*(\w+)/(\w+)\*_reg", filter_)
        if name:
            there = re.search(rf"{name[1]} +\(.*?reg {name[2]}\d ", self.text, re.DOTALL)
            return "cell:named" if there else ""
        found = re.fullmatch(r'([\w.]+) (==|!=) "?(\w*)"?', filter_)
        if filter_:
            require(found, f"[Common 17-165] filter '{filter_}'")
            assert found
            return "cell:marked" if f"\\{found[1]} " in self.text else ""
        return " ".join(f"cell:{w}" for w in g.words)

    def do_get_pins(self, g: Given) -> str:
        require(g.options.get("-of_objects"), "[Common 17-161] no object")
        return "pin:marked"

    def do_get_clocks(self, g: Given) -> str:
        return "clock:any"

    def do_all_fanin(self, g: Given) -> str:
        return "pin:any"

    def do_get_iobanks(self, g: Given) -> str:
        return f"iobank:{g.words[0]}"

    def do_create_clock(self, g: Given) -> str:
        require(g.words and g.words[0], "[Common 17-161] create_clock has no object")
        require(float(g.options["-period"]) > 0, "[Common 17-161] period")
        self.constrained.add(g.words[0])
        return f"clock:{g.options['-name']}"

    def do_set_false_path(self, g: Given) -> None:
        require(any(g.options.get(o) for o in ("-from", "-to")), "[Vivado 12-4739] no objects")

    def do_set_max_delay(self, g: Given) -> None:
        require(g.options.get("-to"), "[Vivado 12-4739] no objects")

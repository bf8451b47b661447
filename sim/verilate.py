"""Verilog -> a compiled program, by Verilator and a C++ compiler; cached by content.

Most of the time goes into C++, and of that most into headers, so Verilator's own makefile is not
used: its run-time library, the stream harness and a precompiled header are made once and kept, and
generated files are compiled in bundles. A program that runs for few cycles is not optimised: that
halves its build, and more in larger ones, and it is then half as fast.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

from thresher.gen.cache import cached, content_key, kept
from thresher.gen.tools import compiler, run_tool, verilator
from thresher.sim.engine import SimTop

__all__ = ["build", "build_program"]

_JOBS = 2
_VERILATE = (
    "--cc", "--prefix", "Vtop", "--Mdir", "obj", "-O3", "--x-assign", "fast",
    "--x-initial", "unique", "--no-timing", "--noassert", "--output-split", "20000",
    "-Wno-fatal", "-Wno-lint", "-Wno-style",
)  # fmt: skip
_COMPILE = (  # the headers of C++20 are a third larger
    "-std=gnu++17", "-w", "-faligned-new", "-fcf-protection=none", "-DVERILATOR=1",
    "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0",
    "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0",
)  # fmt: skip
_FAST, _SLOW = "-O1", "-O0"
_BUNDLE = {_FAST: 100_000, _SLOW: 500_000}  # bytes of C++ in one compilation unit
_SHORT = 200_000  # cycles; optimising takes as long as it saves in 300,000 and more
_LIBRARY = ("verilated.cpp", "verilated_threads.cpp")
_HEADER = "#include <verilated.h>\n"


def _compile(sources: Sequence[tuple[str, str]], cwd: Path, options: Sequence[str] = ()) -> None:
    """Compile (file, -O level) pairs to objects of the same stem, `_JOBS` at a time."""

    def one(source: tuple[str, str]) -> None:
        name, level = source
        header = ("-include", str(_header(level) / "pch.h"))
        command = [*_command(level), *header, *options, "-c", name, "-o", f"{Path(name).stem}.o"]
        run_tool(command, cwd, "g++")

    with ThreadPoolExecutor(_JOBS) as pool:
        list(pool.map(one, sources))


def _command(level: str) -> list[str]:
    include = verilator().root / "include"
    return [compiler(), *_COMPILE, level, f"-I{include}", f"-I{include / 'vltstd'}", "-I.", "-Iobj"]


@cache
def _version(program: str) -> str:
    return run_tool([program, "--version"], Path("/"), program)


def _toolchain() -> str:
    """What the compiled files depend on, beside their source."""
    tool, cxx = verilator(), compiler()
    return content_key(tool.version, str(tool.root), cxx, _version(cxx), *_COMPILE)


def _header(level: str) -> Path:
    """The folder of `pch.h`, Verilator's header; precompiled for one -O level, as GCC needs it."""

    def make(folder: Path) -> None:
        (folder / "pch.h").write_text(_HEADER)
        if "g++" in Path(compiler()).name:
            options = ["-x", "c++-header", "pch.h", "-o", "pch.h.gch"]
            run_tool([*_command(level), *options], folder, "g++")

    return cached("verilator-header", content_key(_toolchain(), _HEADER, level), make)


def _library() -> list[Path]:
    """Verilator's run-time library as objects."""
    include = verilator().root / "include"

    def make(folder: Path) -> None:
        _compile([(str(include / n), _FAST) for n in _LIBRARY], folder)

    folder = cached("verilator-library", content_key(_toolchain(), *_LIBRARY, _FAST), make)
    return [folder / f"{Path(n).stem}.o" for n in _LIBRARY]


def _harness() -> list[Path]:
    """The stream harness as an object."""
    texts = {name: _text(name) for name in ("harness.cpp", "top.h")}

    def make(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).write_text(text)
        _compile([("harness.cpp", _FAST)], folder)

    key = content_key(_toolchain(), *texts.values(), _FAST)
    return [cached("verilator-harness", key, make) / "harness.o"]


def _text(name: str) -> str:
    return (files("thresher.sim") / name).read_text()


def _glue(top: SimTop) -> str:
    """The C++ that shows a Verilated top to the harness."""
    lines = [
        '#include "Vtop.h"', '#include "top.h"', "struct Made final : Top {", "Vtop top;",
        "explicit Made(VerilatedContext& context) : top{&context} {", "clk = &top.clk;",
        "rst = &top.rst;",
    ]  # fmt: skip
    for kind, ports in (("inputs", top.inputs), ("outputs", top.outputs)):
        for p in ports:
            valid, ready, payload = (
                f"top.{p.name}__{part}".replace("__", "___05F")
                for part in ("valid", "ready", "payload")
            )
            lines.append(
                f'{kind}.push_back({{"{p.name}", {p.port.width * p.port.lanes}, &{valid}, '
                f"&{ready}, &{payload}, sizeof({payload})}});"
            )
    lines += [
        "}", "void eval() override { top.eval(); }", "};",
        "std::unique_ptr<Top> make_top(VerilatedContext& context)",
        "{ return std::make_unique<Made>(context); }",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _units(folder: Path, level: str) -> list[tuple[str, str]]:
    """Bundle the C++ into compilation units: what runs every cycle, and the rest."""
    found = sorted((folder / "obj").glob("*.cpp"))
    rest = [p for p in found if p.stem.endswith("__Slow")]
    if level == _SLOW or sum(p.stat().st_size for p in found) < _BUNDLE[level]:
        rest = []
    bundles: list[tuple[str, list[str]]] = [(level, ["main.cpp"])]
    for at, paths in ((level, [p for p in found if p not in rest]), (_SLOW, rest)):
        size = 0 if paths is not rest else _BUNDLE[at]
        for path in paths:
            if size >= _BUNDLE[at]:
                bundles.append((at, []))
                size = 0
            bundles[-1][1].append(f"obj/{path.name}")
            size += path.stat().st_size
    units = []
    for k, (at, names) in enumerate(bundles):
        (folder / f"unit{k}.cpp").write_text("".join(f'#include "{n}"\n' for n in names))
        units.append((f"unit{k}.cpp", at))
    return units


def build(top: SimTop, cycles: int) -> Path:
    """The program that simulates a top of streams; built where it is not cached.

    :param cycles: about how many it will run; only its speed depends on it.
    :raises ToolError: when Verilator or a C++ compiler is missing.
    """
    texts = {"main.cpp": _glue(top), "top.h": _text("top.h")}
    level = _SLOW if cycles < _SHORT else _FAST
    return _program(top.verilog, top.name, texts, level, harness=True)


def build_program(
    verilog: str, name: str, harness: str, headers: Mapping[str, str] | None = None
) -> Path:
    """The program that a C++ harness makes of a Verilated top; built where it is not cached.

    :param name: the top module; it is `Vtop` in C++.
    :param harness: C++ with `main`; it may include the headers.
    :param headers: further texts by file name.
    :raises ToolError: when Verilator or a C++ compiler is missing.
    """
    return _program(verilog, name, {"main.cpp": harness, **(headers or {})}, _FAST)


def _program(
    verilog: str, name: str, texts: Mapping[str, str], level: str, harness: bool = False
) -> Path:
    """The program of these texts, of which `main.cpp` is compiled with the Verilated top.

    :param harness: link the stream harness.
    """
    tool = verilator()
    parts = [part for file in sorted(texts) for part in (file, texts[file])]
    if harness:
        parts.append(_text("harness.cpp"))
    parts += [_toolchain(), *_VERILATE, str(_BUNDLE)]
    keys = {at: content_key(verilog, name, *parts, at) for at in (_FAST, _SLOW)}
    if level == _SLOW and (entry := kept("verilator", keys[_FAST])):
        return entry / "sim"

    def make(folder: Path) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="thresher-") as scratch,
            ThreadPoolExecutor(_JOBS) as pool,
        ):
            kinds = [_library, _harness] if harness else [_library]
            kept_objects = [pool.submit(kind) for kind in kinds]  # while Verilator works
            work = Path(scratch)
            for file, text in {"top.v": verilog, **texts}.items():
                (work / file).write_text(text)
            options = [*_VERILATE, "--top-module", name, "top.v"]
            run_tool([tool.binary, *options], work, "Verilator", {"VERILATOR_ROOT": str(tool.root)})
            units = _units(work, level)
            _compile(units, work)
            objects = [f"{Path(unit).stem}.o" for unit, _ in units]
            objects += [str(path) for found in kept_objects for path in found.result()]
            command = [compiler(), *objects, "-pthread", "-s", "-o", "sim"]
            run_tool(command, work, "g++")
            shutil.move(work / "sim", folder / "sim")

    return cached("verilator", keys[level], make) / "sim"

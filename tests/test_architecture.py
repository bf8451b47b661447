"""The direction of dependencies: rtl <- compiler <- gen <- sim <- boards; quant stands alone.

The command line (`thresher.gen.cli`) starts everything, so it alone in `gen` may import `sim` and
`boards`; in return nobody may import it.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
ALLOWED = {
    "rtl": set(),
    "compiler": {"rtl"},
    "gen": {"compiler", "rtl"},
    "sim": {"gen", "compiler", "rtl"},
    "boards": {"sim", "gen", "compiler", "rtl"},
    "quant": set(),
}
TRAINING = {"torch", "brevitas", "onnxoptimizer"}
WITHOUT_TORCH = sorted(set(ALLOWED) - {"quant"})


def module_name(path: Path) -> str:
    """`compiler/importer/__init__.py` is the module `compiler.importer`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, at its top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_command_line(module: str) -> bool:
    return module == "gen.cli" or module.startswith("gen.cli.")


def violations(module: str, source: str) -> list[str]:
    """Imports in `source`, the text of `thresher.<module>`, that break the direction."""
    folder = module.split(".")[0]
    allowed = ALLOWED[folder] | {folder}
    if is_command_line(module):
        allowed |= {"sim", "boards"}
    found = []
    for name in imported(ast.parse(source)):
        head, _, rest = name.partition(".")
        if name.startswith("."):
            found.append(f"{module} imports {name} relatively")
        elif head == "thresher" and rest:
            if rest.split(".")[0] not in allowed:
                found.append(f"{module} imports {name}")
            elif is_command_line(rest) and not is_command_line(module):
                found.append(f"{module} imports the command line")
        elif head in TRAINING and folder != "quant":
            found.append(f"{module} imports {name}")
        elif head in ALLOWED:
            found.append(f"{module} imports {name} without 'thresher.'")
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_dependencies_point_one_way(folder: str) -> None:
    found: list[str] = []
    for path in sorted((REPO / folder).rglob("*.py")):
        found += violations(module_name(path.relative_to(REPO)), path.read_text())
    assert not found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rtl.mvau", "from thresher.compiler.integer import Interval"),
        ("rtl.mvau", "import thresher.compiler"),
        ("compiler.schedule", "from thresher import gen"),
        ("compiler", "def f():\n    import torch"),
        ("gen.top", "from thresher.sim import engine"),
        ("gen.top", "import thresher.gen.cli"),
        ("sim.engine", "from thresher.boards import zcu104"),
        ("boards.zcu104", "import brevitas.nn"),
        ("quant.export", "from thresher.compiler import graph"),
        ("sim.engine", "from gen import top"),
        ("sim.engine", "from . import harness"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    assert violations(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("compiler.schedule", "from thresher.rtl.mvau import MVAUParameters"),
        ("gen.cli", "from thresher.sim import engine"),
        ("gen.cli", "import thresher.gen.top"),
        ("quant.export", "import torch"),
        ("sim.engine", "import thresher.gen.top, simpy"),
    ],
)
def test_a_right_import_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module("thresher." + sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(*sorted({"torch", "brevitas"} & set(sys.modules)))
"""


@pytest.mark.parametrize("folder", WITHOUT_TORCH)
def test_torch_is_never_loaded(folder: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, folder],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def unannotated(tree: ast.AST, name: str) -> Iterator[str]:
    """Functions without full annotations; `elaborate` and all inside it may go without."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == "elaborate":
                continue
            args = node.args
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            missing = [a.arg for a in every if a and not a.annotation]
            if node.returns is None or set(missing) - {"self", "cls"}:
                yield f"{name}:{node.lineno} {node.name}"
        yield from unannotated(node, name)


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_every_function_is_annotated(folder: str) -> None:
    found: list[str] = []
    for path in sorted((REPO / folder).rglob("*.py")):
        found += unannotated(ast.parse(path.read_text()), str(path.relative_to(REPO)))
    assert not found


def test_a_missing_annotation_is_found() -> None:
    source = "class C:\n  def f(self, x): ...\n  def elaborate(self, platform): ...\n"
    assert list(unannotated(ast.parse(source), "m")) == ["m:2 f"]

"""The package list, and a wheel that compiles and verifies a model outside the checkout."""

import ast
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPO = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
FOLDERS = ("boards", "compiler", "gen", "quant", "rtl", "sim")
SHIPPED_MODEL = REPO / "examples" / "digits_lstm" / "digits_lstm.onnx"


def modules() -> list[Path]:
    """Every Python file that is installed, relative to the checkout."""
    return sorted(p.relative_to(REPO) for f in FOLDERS for p in (REPO / f).rglob("*.py"))


def test_package_list_equals_the_folders() -> None:
    found = {".".join(("thresher", *path.parent.parts)) for path in modules()}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(found)


def test_every_folder_with_modules_is_a_package() -> None:
    assert [p for p in modules() if not (REPO / p.parent / "__init__.py").exists()] == []


def test_typings_links_equal_the_folders() -> None:
    links = {path.name: path.resolve() for path in (REPO / "typings" / "thresher").iterdir()}
    assert links == {folder: REPO / folder for folder in FOLDERS}


def defined_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (t.id for t in targets if isinstance(t, ast.Name))


@pytest.mark.parametrize("path", modules(), ids=str)
def test_every_module_has_a_docstring_and_all(path: Path) -> None:
    tree = ast.parse((REPO / path).read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert "__all__" in defined_names(tree), f"{path} has no __all__"


def run(
    command: Sequence[object], cwd: Path, timeout: int = 240, env: dict[str, str] | None = None
) -> str:
    """The command's standard output; its exit status must be 0."""
    __tracebackhide__ = True  # pytest would print the environment
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{command} said\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources (the checkout stays as it is)."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (REPO / name).exists():
            shutil.copy(REPO / name, source)
    for folder in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPO / folder, source / folder, ignore=ignore)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*pip, "--wheel-dir", source / "dist", source], cwd=source)
    (built,) = (source / "dist").glob("thresher-*.whl")
    return built


def test_wheel_holds_every_file(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = wheel.parent.parent
    files = {p.relative_to(source) for f in FOLDERS for p in (source / f).rglob("*") if p.is_file()}
    assert held == {f"thresher/{path}" for path in files}


def required(names: Sequence[str]) -> set[str]:
    """Distributions that a plain install of `names` brings, with all that those require."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        requirement = Requirement(waiting.pop())
        wanted = not requirement.marker or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name.lower() not in found:
            found.add(requirement.name.lower())
            waiting += importlib.metadata.requires(requirement.name) or []
    return found


@pytest.fixture(scope="module")
def plain_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and its dependencies, no more.

    The dependencies are links into the running environment, so nothing is downloaded; what only
    the extras bring (torch, qonnx, ...) is absent, as it would be after a plain install.
    """
    env = tmp_path_factory.mktemp("env")
    run([sys.executable, "-m", "venv", "--without-pip", env], cwd=env)
    (site,) = env.glob("lib/python3*/site-packages")
    for name in required(PROJECT["project"]["dependencies"]):
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(distribution.locate_file(top)))
    pip = [sys.executable, "-m", "pip", "--python", env / "bin" / "python"]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], cwd=env)
    return env / "bin"


def clean_environment() -> dict[str, str]:
    """The caller's environment without its Python settings and without its virtual environment."""
    here = str(Path(sys.executable).parent)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["PATH"] = os.pathsep.join(p for p in env["PATH"].split(os.pathsep) if p != here)
    return env


def test_plain_install_imports_from_the_wheel(plain_install: Path, tmp_path: Path) -> None:
    code = "import thresher.compiler, thresher.sim; print(thresher.compiler.__file__)"
    command = [plain_install / "python", "-c", code]
    where = Path(run(command, tmp_path, env=clean_environment()).strip())
    assert where.is_relative_to(plain_install.parent)


def test_plain_install_has_no_torch(plain_install: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('qonnx'))"
    command = [plain_install / "python", "-c", code]
    assert run(command, tmp_path, env=clean_environment()).split() == ["None", "None"]


@pytest.mark.slow
def test_plain_install_compiles_and_verifies(plain_install: Path, tmp_path: Path) -> None:
    assert SHIPPED_MODEL.is_file()
    model = shutil.copy(SHIPPED_MODEL, tmp_path)
    env = clean_environment()
    thresher = plain_install / "thresher"
    run([thresher, "compile", model, "-o", tmp_path / "out"], tmp_path, env=env)
    run([thresher, "verify", tmp_path / "out", "--samples", "4"], tmp_path, env=env)
    assert (tmp_path / "out" / "report.json").is_file()

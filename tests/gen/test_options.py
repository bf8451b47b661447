"""Options: checked, combined with the board's, and back from JSON."""

import json
import math

import pytest

from thresher.boards.registry import get_board
from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity
from thresher.gen.options import CompileOptions, parse_budget

SPARTAN = get_board("elastic-node-v5").target
ZCU104 = get_board("ZCU104").target


def test_defaults() -> None:
    options = CompileOptions()
    assert options.mhz == 100.0
    assert options.capacity is None


def test_board_gives_clock_and_capacity() -> None:
    options = CompileOptions(board=ZCU104)
    assert options.mhz == 200.0
    assert options.capacity == ZCU104.capacity
    assert CompileOptions(board=ZCU104, clock_mhz=80).mhz == 80


def test_budget_alone() -> None:
    assert CompileOptions(budget={"lut": 5, "bram": 2}).capacity == Capacity(lut=5, bram36=2)
    all_of_them = parse_budget("lut=1,ff=2,lutram=3,dsp=4,bram=5,uram=6")
    capacity = Capacity(lut=1, ff=2, lutram=3, dsp=4, bram36=5, uram=6)
    assert CompileOptions(budget=all_of_them).capacity == capacity


def test_budget_and_board_take_the_lesser() -> None:
    capacity = CompileOptions(board=SPARTAN, budget={"lut": 500, "dsp": 999}).capacity
    assert capacity is not None
    assert capacity.lut == 500
    assert capacity.dsp == SPARTAN.capacity.dsp
    assert capacity.uram == SPARTAN.capacity.uram
    for board, most in ((SPARTAN, 0), (ZCU104, 4)):
        limited = CompileOptions(board=board, budget={"uram": 4}).capacity
        assert limited is not None
        assert limited.uram == most


def test_json_and_back() -> None:
    options = CompileOptions(
        board=ZCU104, clock_mhz=90.5, target_fps=1e4, seq_len=7, budget={"dsp": 0},
        folding={"k": {"pe": 2, "simd": 1}}, interleave=3,
    )  # fmt: skip
    for kept in (options, CompileOptions(), CompileOptions(board=SPARTAN)):
        assert CompileOptions.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept


@pytest.mark.parametrize(
    "name", ["clock_mhz", "target_fps", "max_latency_us", "seq_len", "interleave"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_must_be_positive(name: str, value: int) -> None:
    flag = "--" + name.replace("_", "-")
    with pytest.raises(ThresherError, match=rf"^{flag} must be .*greater than 0, not {value};"):
        CompileOptions(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_numbers_must_be_finite(value: float) -> None:
    with pytest.raises(ThresherError, match=r"^--clock-mhz must be finite .*, not (inf|nan);"):
        CompileOptions(clock_mhz=value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"clock_mhz": "fast"}, "clock_mhz must be float, not 'fast'"),
        ({"seq_len": 2.5}, "seq_len must be int, not 2.5"),
        ({"interleave": "2"}, "interleave must be int, not '2'"),
        ({"board": "zcu104"}, r"board must be a Target \(get_board.*, not 'zcu104'"),
        ({"seq_len": True}, "seq_len must be int, not True"),
        ({"budget": {"lut": "many"}}, "budget of lut must be an int, not 'many'"),
    ],
)
def test_wrong_types(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        CompileOptions(**wrong)  # type: ignore[arg-type]


def test_unknown_names() -> None:
    with pytest.raises(ThresherError, match="^--budget knows lut, ff, lutram, dsp, bram, uram"):
        CompileOptions(budget={"x": 1})
    with pytest.raises(ThresherError, match="^--budget lut must be at least 0, not -1"):
        CompileOptions(budget={"lut": -1})


def test_budget() -> None:
    assert parse_budget("lut=8000,dsp=0") == {"lut": 8000, "dsp": 0}
    assert parse_budget(" LUT = 8 , bram= 1") == {"lut": 8, "bram": 1}


@pytest.mark.parametrize("text", ["", "lut", "lut=", "lut=-1", "lut=1.5", "lut=²", "lut=1,,dsp=2"])
def test_broken_budget(text: str) -> None:
    with pytest.raises(ThresherError, match="^--budget must be like lut=8000,dsp=20,bram=10, not"):
        parse_budget(text)


def test_budget_twice() -> None:
    with pytest.raises(ThresherError, match="--budget must limit lut once, not twice"):
        parse_budget("lut=1,LUT=2")

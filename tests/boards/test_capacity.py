"""Boards by name."""

import pytest

from thresher.boards.capacity import BOARDS, get_board
from thresher.compiler.errors import ThresherError


def test_every_name_finds_its_board() -> None:
    assert {get_board(name).name for name in BOARDS} == set(BOARDS)
    assert get_board("ZCU104") is get_board("zcu104")


@pytest.mark.parametrize(
    "name, lut, lutram, bram36, dsp",
    [
        ("elastic-node-v5", 8_000, 2_400, 10, 20),
        ("cmod-s7", 14_600, 5_000, 45, 80),
        ("arty-s7-50", 32_600, 9_600, 75, 120),
        ("zcu104", 230_400, 101_760, 312, 1_728),
    ],
)
def test_capacities(name: str, lut: int, lutram: int, bram36: int, dsp: int) -> None:
    found = get_board(name).capacity
    assert (found.lut, found.lutram, found.bram36, found.dsp) == (lut, lutram, bram36, dsp)


def test_two_flip_flops_a_lut() -> None:
    for board in BOARDS.values():
        assert board.capacity.ff == 2 * (board.capacity.lut or 0)


def test_unknown_board() -> None:
    with pytest.raises(ThresherError, match="^board must be one of arty-s7-25, .*, not 'vu9p'$"):
        get_board("vu9p")
